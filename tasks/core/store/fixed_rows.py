"""Fixed rows: what a person has mended of the quarantine; private, and read by every later run."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.core.store.locks import exclusive
from tasks.core.store.rows import iterate_rows
from tasks.core.store.syncing import write_whole

FIXED = "fixed_rows.jsonl"
Row = Mapping[str, Any]


def read_fixed(path: Path) -> dict[str, dict[str, Any]]:
    """Give the canonical rows by their id."""
    return {row["row_id"]: row for row in iterate_rows(path)} if path.exists() else {}


def add_fixed(workspace: Path, rows: Iterable[Row]) -> None:
    """Add canonical rows, the last of an id wins; all of them are there afterwards, or none."""
    path = workspace / FIXED
    with exclusive(workspace / "locks" / f"{FIXED}.lock"):
        every = {**read_fixed(path), **{row["row_id"]: dict(row) for row in rows}}
        lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for _, row in sorted(every.items())]
        write_whole(path, "".join(f"{line}\n" for line in lines))
