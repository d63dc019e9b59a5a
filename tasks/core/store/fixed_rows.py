"""Fixed rows: what a person has mended of the quarantine; private, and read by every later run."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.receipts import Receipt, ValidCleanLogs
from tasks.core.store.locks import exclusive
from tasks.core.store.rows import QUARANTINE, ROWS, iterate_rows, read_table
from tasks.core.store.syncing import write_whole

FIXED = "fixed_rows.jsonl"
Row = Mapping[str, Any]


def read_fixed(path: Path) -> dict[str, dict[str, Any]]:
    """Give the canonical rows by their id."""
    return {row["row_id"]: row for row in iterate_rows(path)} if path.exists() else {}


def add_fixed(workspace: Path, rows: Iterable[Row]) -> None:
    """Add canonical rows, the last of an id wins; all of them are there afterwards, or none."""
    with exclusive(workspace / "locks" / f"{FIXED}.lock"):
        _write(workspace, {**read_fixed(workspace / FIXED), **{row["row_id"]: dict(row) for row in rows}})


def keep_fixed(workspace: Path, stays: Callable[[Row], bool]) -> None:
    """Keep the rows that stay; without any, the file goes."""
    with exclusive(workspace / "locks" / f"{FIXED}.lock"):
        before = read_fixed(workspace / FIXED)
        after = {row_id: row for row_id, row in before.items() if stays(row)}
        if not after:
            (workspace / FIXED).unlink(missing_ok=True)
        elif len(after) < len(before):
            _write(workspace, after)


def called_for(workspace: Path, rows: Mapping[str, Row], doors: Iterable[Receipt]) -> set[str]:
    """Give the ids of the fixed rows that doors have put into quarantine or hold as clean."""
    found: set[str] = set()
    for door in doors:
        folder = door.folder(workspace)
        found |= {row["row_id"] for row in iterate_rows(folder / QUARANTINE)} & rows.keys()
        if isinstance(door, ValidCleanLogs):
            ids = read_table(folder / ROWS, ("row_id",))["row_id"]
            found |= set(ids.filter(pc.is_in(ids, pa.array(rows, pa.string()))).to_pylist())
    return found


def _write(workspace: Path, rows: Mapping[str, Row]) -> None:
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for _, row in sorted(rows.items())]
    write_whole(workspace / FIXED, "".join(f"{line}\n" for line in lines))
