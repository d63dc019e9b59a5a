"""Rows on disk: Arrow tables for what is hot, JSON lines for what people and other programs read."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

ROWS = "rows.arrow"
LEDGER = "ledger.jsonl"
QUARANTINE = "quarantine.jsonl"
COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4")


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as one Arrow file; equal tables give equal bytes."""
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=COMPRESSION) as writer,
    ):
        writer.write_table(table.combine_chunks())


def read_table(path: Path, columns: Iterable[str] | None = None) -> pa.Table:
    """Read what `write_table` wrote, or some columns of it; nothing else of the file is unpacked."""
    with pa.OSFile(str(path), "rb") as source:
        names = pa.ipc.open_file(source).schema.names
        included = None if columns is None else [names.index(name) for name in columns]
        return pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=included)).read_all()


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object a line and give their number."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    return count


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read what `write_rows` wrote."""
    return list(iterate_rows(path))


def iterate_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read rows one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
