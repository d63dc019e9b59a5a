"""Fixed rows: what a person has mended of the quarantine; private, and read by every later run."""

import json
from collections.abc import Callable, Iterable, Mapping
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


def _write(workspace: Path, rows: Mapping[str, Row]) -> None:
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for _, row in sorted(rows.items())]
    write_whole(workspace / FIXED, "".join(f"{line}\n" for line in lines))
