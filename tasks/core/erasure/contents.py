"""Contents: the bytes of a file as they lie there, and what they hold once unpacked.

Values of Arrow and Parquet columns are packed; those of SQLite may be cut at the ends of its pages, and stay on pages that
are free. So both are looked at: the bytes, and the values.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BLOCK = 2**22  # bytes
ROWS = 2**12  # of a table at a time
NAMED = (
    "requester",
    "conversation",
)  # columns whose values are also given as `"name": "value"`, to be found whole
TORN = (
    OSError,
    EOFError,
    pa.ArrowException,
    sqlite3.DatabaseError,
)  # what the readers raise for a damaged file
STREAM = b"\xff\xff\xff\xff"  # an Arrow stream begins with this, then the length of its schema


class Unsearchable(Exception):  # noqa: N818 - a verdict on one file
    """Say that a file is not what it begins like, so that nobody can tell what it holds."""


def contents(path: Path, overlap: int) -> Iterator[bytes]:
    """Give a file's bytes in blocks, each beginning with the last `overlap` bytes of the one before; then what it unpacks to.

    Raises `Unsearchable` for a file that is damaged.
    """
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(0)
        yield from _blocks(file, overlap)
    inside = _unpacker(head)
    if inside is None:
        return
    try:
        yield from inside(path, overlap)
    except TORN as error:
        raise Unsearchable(path.name) from error


def _unpacker(head: bytes) -> Callable[[Path, int], Iterator[bytes]] | None:
    """Choose how a file is unpacked, by how it begins."""
    begins: dict[bytes, Callable[[Path, int], Iterator[bytes]]] = {
        b"\x1f\x8b": _of_gzip,
        b"\x28\xb5\x2f\xfd": _of_zstd,
        b"ARROW1": _of_arrow,
        b"PAR1": _of_parquet,
        b"SQLite format 3\0": _of_sqlite,
        STREAM: _of_stream,
    }
    return next((read for magic, read in begins.items() if head.startswith(magic)), None)


def _blocks(file: Any, overlap: int) -> Iterator[bytes]:
    rest = b""
    while block := file.read(BLOCK):
        data = rest + block
        yield data
        rest = data[-overlap:] if overlap else b""


def _of_gzip(path: Path, overlap: int) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "gzip") as file:
        yield from _blocks(file, overlap)


def _of_zstd(path: Path, overlap: int) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd") as file:
        yield from _blocks(file, overlap)


def _of_arrow(path: Path, _overlap: int) -> Iterator[bytes]:
    with pa.OSFile(str(path), "rb") as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield from _of_batch(reader.get_batch(number))


def _of_stream(path: Path, _overlap: int) -> Iterator[bytes]:
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield from _of_batch(batch)


def _of_parquet(path: Path, _overlap: int) -> Iterator[bytes]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS):
            yield from _of_batch(batch)


def _of_batch(batch: pa.RecordBatch) -> Iterator[bytes]:
    for start in range(0, len(batch), ROWS):
        for name, column in zip(batch.schema.names, batch.slice(start, ROWS).columns, strict=True):
            texts = list(_texts(column))
            yield from _joined(texts)
            if name in NAMED:
                yield from _joined(f'"{name}": "{text}"' for text in dict.fromkeys(texts))


def _texts(column: pa.Array) -> Iterator[str]:
    """Give the texts of a column, also those in lists and structures."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield from (text for text in column.to_pylist() if text)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts(column.flatten())
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _texts(part)
    elif pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary)
    elif pa.types.is_map(kind):
        yield from _texts(column.keys)
        yield from _texts(column.items)


def _joined(texts: Any) -> Iterator[bytes]:
    """Give texts in one piece, with something between them that is in none."""
    data = "\0".join(texts).encode("utf-8", "surrogatepass")
    if data:
        yield data


def _of_sqlite(path: Path, _overlap: int) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        for table in text_tables(database):
            rows = database.execute(f"SELECT * FROM {quoted(table)}")  # noqa: S608 - a table's own name
            while batch := rows.fetchmany(ROWS):
                yield b"\0".join(value for row in batch for value in row if isinstance(value, bytes))


def text_tables(database: sqlite3.Connection) -> list[str]:
    """Name the tables of a database that are not SQLite's own."""
    found = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return [name.decode() if isinstance(name, bytes) else name for (name,) in found]


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'
