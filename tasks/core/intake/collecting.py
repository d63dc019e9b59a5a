"""Collecting: the bytes of a shard become candidate rows, and rejected units with their reason."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from tasks.core.files.parsing import Numbered, Unreadable, read_lines
from tasks.core.files.unpacking import PartKind, read_part
from tasks.core.intake.canonical import table_of
from tasks.core.intake.conversations import candidates_of
from tasks.core.intake.forgetting import forgotten, is_forgotten
from tasks.core.intake.shapes import Shape
from tasks.core.intake.values import Rejection
from tasks.core.store.ledger import Entry
from tasks.core.store.tombstones import NOBODY, Tombstones

CHUNK = 2**21  # bytes that a worker takes at a time
MOST_RAW = 2**20  # bytes of a rejected record that are kept for a look


@dataclass(frozen=True)
class Chunk:
    """Some lines of a shard."""

    data: bytes
    kind: PartKind
    first_line: int


@dataclass(frozen=True)
class Collected:
    """What a chunk holds; `left_out` are the turns of other roles."""

    table: pa.Table
    entries: list[Entry]
    left_out: int


def cut(data: bytes, kind: PartKind) -> list[Chunk]:
    """Cut a shard's bytes at line ends into chunks of about two MiB."""
    chunks, start, line = [], 0, 1
    while start < len(data):
        end = data.find(b"\n", min(start + CHUNK, len(data) - 1)) + 1 or len(data)
        chunks.append(Chunk(data[start:end], kind, line))
        line += data.count(b"\n", start, end)
        start = end
    return chunks


def collect_chunk(chunk: Chunk, shape: Shape, tombstones: Tombstones = NOBODY) -> Collected:
    """Read records as question and reply; ids are not yet told apart over the whole shard.

    Of a record that is to be forgotten nothing is kept but its line.
    """
    rows: list[dict[str, Any]] = []
    entries: list[Entry] = []
    for line, raw, record in records_of(chunk):
        name = record_id(raw)
        if is_forgotten(name, record, shape, tombstones):
            entries.append(forgotten(line))
            continue
        found = [record] if isinstance(record, Unreadable) else candidates_of(record, shape)
        for candidate in found:
            if isinstance(candidate, dict):
                candidate["row_id"] = name if len(found) == 1 else f"{name}#{candidate['part']}"
                candidate["line"] = line
                rows.append(candidate)
            else:
                entries.append(rejected(name, line, candidate, raw))
    return Collected(table_of(rows), entries, sum(row["left_out"] for row in rows))


def record_id(raw: bytes) -> str:
    """Hash a record's own bytes: it is named the same wherever it lies and whatever else is in its file."""
    return blake2b(raw, digest_size=8).hexdigest()


def rejected(name: str, line: int, verdict: Unreadable | Rejection, raw: bytes) -> Entry:
    """Enter a record that cannot be a row."""
    text = raw[:MOST_RAW].decode("utf-8", "backslashreplace")
    return Entry(name, line, "quarantined", verdict.rule, verdict.reason, row={"raw": text})


def tell_apart(names: Sequence[str]) -> list[str]:
    """Number what appears more than once: the second `a` becomes `a-2`."""
    if len(set(names)) == len(names):
        return list(names)
    seen: Counter[str] = Counter()
    apart = []
    for name in names:
        seen[name] += 1
        apart.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return apart


def records_of(chunk: Chunk) -> Iterator[Numbered]:
    """Give number, bytes and record of each line of a chunk."""
    if chunk.kind == "records":
        return read_part(chunk.data, chunk.kind, chunk.first_line)
    return read_lines(chunk.data, chunk.first_line)
