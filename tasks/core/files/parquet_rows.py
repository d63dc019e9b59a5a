"""Parquet rows: the records of a Parquet file, batch by batch, with plain JSON values."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import IO, TYPE_CHECKING, Any

from tasks.core.errors import DataError
from tasks.core.files.containers import MIB, insist_on_size
from tasks.core.files.parsing import Record, Refused
from tasks.core.files.records import Found, Founds, found_record

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import ParquetFile

BATCH = 8 * MIB  # bytes
MOST_ROWS = 1024


def read_rows(file: IO[bytes], name: str, max_unpacked: int) -> Founds:
    """Read the rows of a Parquet file as records with sorted keys.

    Times become ISO 8601, decimals and UTF-8 bytes text; a row with another value is no record. Raises `DataError` for
    a damaged file, a repeated column name, and what unpacks to too much.
    """
    rows = (row for batch in _batches(file, name, max_unpacked) for row in batch)
    for line, row in enumerate(rows, 1):
        yield _record(line, row)


def _batches(file: IO[bytes], name: str, max_unpacked: int) -> Iterator[list[Record]]:
    import pyarrow as pa
    from pyarrow import parquet

    unpacked = 0
    try:
        table = parquet.ParquetFile(file, buffer_size=MIB)
        packed = _insist_on_columns(table, name, max_unpacked)
        for batch in _read_groups(table):
            unpacked += batch.nbytes
            insist_on_size(name, unpacked, packed=packed, most=max_unpacked)
            yield batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        raise DataError(
            f"{name} is damaged, or no Parquet that can be read.", cure="Export it again."
        ) from None


def _insist_on_columns(table: "ParquetFile", name: str, most: int) -> int:
    """Refuse repeated names and bombs, and give the size of all columns as they are packed, in bytes."""
    names = table.schema_arrow.names
    if len(set(names)) < len(names):
        raise DataError(f"{name} has two columns of one name.", cure="Give each column a name of its own.")
    about = table.metadata
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    for chunk in chunks:
        insist_on_size(name, chunk.total_uncompressed_size, packed=chunk.total_compressed_size, most=most)
    return sum(int(chunk.total_compressed_size) for chunk in chunks)


def _read_groups(table: "ParquetFile") -> "Iterator[RecordBatch]":
    """Read group by group: an iterator over all keeps what it has read."""
    about = table.metadata
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        rows = min(MOST_ROWS, max(1, BATCH * group.num_rows // max(1, group.total_byte_size)))
        yield from table.iter_batches(rows, row_groups=[number], use_threads=False)


def _record(line: int, row: Record) -> Found:
    try:
        return found_record(line, {key: _plain(row[key]) for key in sorted(row)})
    except Refused as refusal:
        text = json.dumps(row, ensure_ascii=False, sort_keys=True, default=repr)
        return Found(line, text.encode("utf-8", "backslashreplace"), refusal.verdict)


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    """Give the value as JSON has it."""
    match value:
        case None | str() | int():
            return value
        case float():
            return _finite(value)
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case bytes():
            return _decoded(value)
    raise Refused("wrong_type", f"a {type(value).__name__}, which is neither text nor number")


def _finite(value: float) -> float:
    if not isfinite(value):
        raise Refused("not_finite", f"{value} is not JSON")
    return value


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("wrong_type", "bytes that are not UTF-8 text") from None
