"""Log files: found, unpacked, cut into shards, parsed strictly into records."""
