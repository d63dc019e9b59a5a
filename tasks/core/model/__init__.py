"""Loading bases in 4 bit, adapters, merged weights."""
