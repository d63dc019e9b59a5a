"""Collection: the lines of a shard become candidate rows with canonical columns."""

from dataclasses import replace

import pyarrow as pa

from tasks.core.files.cutting import read_range
from tasks.core.intake.canonical import SCHEMA, joined
from tasks.core.intake.collecting import collect_chunk, cut, tell_apart
from tasks.core.intake.shapes import Shape
from tasks.core.receipts import LogShard, RawLogs
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, write_table
from tasks.core.store.tombstones import Tombstones
from tasks.core.store.workers import map_chunks
from tasks.lid import step


@step("collection", RawLogs, libraries=("orjson", "pyarrow"))
def collect_logs(draft: Draft, shard: LogShard, shape: Shape, tombstones: Tombstones) -> RawLogs:
    """Read one shard into rows with canonical columns; a record that cannot be a row goes to quarantine.

    Rows of requesters who are to be forgotten are filtered before anything of them is written.
    """
    data = read_range(shard.path, shard.start, shard.length, shard.digest)

    parts = list(map_chunks(collect_chunk, cut(data, shard.kind), shape, tombstones))
    rows = joined((part.table for part in parts), SCHEMA)
    entries = [entry for part in parts for entry in part.entries]
    names = tell_apart([*rows["row_id"].to_pylist(), *(entry.row_id for entry in entries)])
    rows = rows.set_column(0, "row_id", pa.array(names[: len(rows)], pa.string()))
    entries = [replace(entry, row_id=name) for entry, name in zip(entries, names[len(rows) :], strict=True)]

    write_table(draft.folder / ROWS, rows)
    write_ledger(draft.folder, "collection", entries)
    counts = account({"in": len(rows) + len(entries)}, len(rows), entries)
    left_out = sum(part.left_out for part in parts)
    return draft.seal(RawLogs, counts=counts | {"left_out": left_out})
