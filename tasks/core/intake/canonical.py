"""Canonical rows: the columns that every log has once it is read, as one Arrow schema."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

TURN = pa.struct([("role", pa.string()), ("text", pa.string())])
NAMES = ("conversation", "created", "language", "product", "requester", "agent")
OUTCOME = ("solved", "votes", "csat", "reopened")
SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("line", pa.int32()),
        *((name, pa.string()) for name in NAMES),
        ("question", pa.string()),
        ("reply", pa.string()),
        ("history", pa.list_(TURN)),
        ("solved", pa.bool_()),
        ("votes", pa.float64()),
        ("csat", pa.float64()),
        ("reopened", pa.bool_()),
    ]
)
CHUNK = 2000  # rows that a worker takes at a time: large enough to hide the hand-over, small enough to share out evenly
CHUNK_BYTES = 2**23  # and bytes: rows with long histories repeat it


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Make a table of rows; a column that is not in the schema is left out."""
    return pa.table({name: [row[name] for row in rows] for name in schema.names}, schema=schema)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Give a table's rows as dictionaries."""
    return list(table.to_pylist())


def chunks_of(table: pa.Table) -> list[pa.Table]:
    """Cut a table into tables of at most 2,000 rows and about 8 MiB, each in memory of its own."""
    size = max(min(CHUNK, CHUNK_BYTES * len(table) // max(table.nbytes, 1)), 1)
    return [_apart(table.slice(start, size)) for start in range(0, len(table), size)]


def _apart(part: pa.Table) -> pa.Table:
    """Copy a slice out of its table, all of which would be handed to a worker with it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.schema) as writer:
        writer.write_table(part)
    return pa.ipc.open_stream(sink.getvalue()).read_all()


def joined(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    """Put tables of one schema together; of none, an empty one."""
    return pa.concat_tables([schema.empty_table(), *tables])
