"""Sampling: the first records of a shard, by which its shape is told; and the digest of a whole file."""

import hashlib
from itertools import islice
from pathlib import Path

from tasks.core.files.containers import open_file, open_stream
from tasks.core.files.finding import Source
from tasks.core.files.parsing import Record, read_lines
from tasks.core.files.unpacking import PartKind, read_part

MOST_BYTES, MOST_RECORDS = 2**22, 1000
BLOCK = 2**20


def sample_records(path: Path, start: int, length: int, kind: PartKind) -> list[Record]:
    """Read the first records of a range of a file, at most a thousand of at most four MiB."""
    with open_file(path) as file:
        file.seek(start)
        data = file.read(min(length, MOST_BYTES))
    if length > MOST_BYTES:
        data = data[: data.rfind(b"\n") + 1]
    numbered = read_part(data, kind, 1) if kind == "records" else read_lines(data)
    return list(islice((record for _, _, record in numbered if isinstance(record, dict)), MOST_RECORDS))


def digest_source(source: Source) -> str:
    """Give the sha256 of a file as it lies there, packed or not."""
    digest = hashlib.sha256()
    with open_stream(source, "", 2**62) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
