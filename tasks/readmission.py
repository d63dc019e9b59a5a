"""Readmission: rows of a run's quarantine that a person has fixed are taken back.

A row that a later door rejected is among the clean rows until then: formation puts the fixed one in its place.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.intake.canonical import OUTCOME, table_of
from tasks.core.receipts import CleanLogs, FixedRows, RawLogs, Receipt, ValidCleanLogs, ValidLogs
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_file
from tasks.core.store.fixed_rows import FIXED, called_for, read_fixed
from tasks.core.store.ledger import FATES, write_ledger
from tasks.core.store.rows import ROWS, read_table, write_table
from tasks.lid import step


def find_fixed_rows(workspace: Path) -> FixedRows | None:
    """Find the rows that people have fixed in this workspace."""
    path = workspace / FIXED
    return FixedRows(path=path, digest=digest_file(path)) if path.exists() else None


@step("readmission", RawLogs, libraries=("pyarrow",))
def readmit_rows(
    draft: Draft, fixed: FixedRows, doors: tuple[RawLogs | ValidLogs | CleanLogs | ValidCleanLogs, ...]
) -> RawLogs:
    """Take back those of the fixed rows that this run has put into quarantine or holds as clean, each once."""
    rows = read_fixed(fixed.path)
    ids = sorted(called_for(draft.workspace, rows, doors))
    clean = _outcomes(draft, doors, pa.array(ids, pa.string()))
    taken = [_with_outcome(rows[row_id], clean.get(row_id, {})) for row_id in ids]

    write_table(draft.folder / ROWS, table_of(taken))
    write_ledger(draft.folder, "readmission", [])
    counts: dict[str, int] = {"in": 0, "kept": len(taken)}
    counts |= {fate: -len(taken) if fate == "quarantined" else 0 for fate in FATES}
    return draft.seal(RawLogs, counts=counts)


def _with_outcome(row: Mapping[str, Any], outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in how the conversation ended, where the person has not said otherwise."""
    return {**row, **{name: value for name, value in outcome.items() if row.get(name) is None}}


def _outcomes(draft: Draft, doors: Iterable[Receipt], ids: pa.Array) -> dict[str, dict[str, Any]]:
    """Give how the conversations of clean rows ended, which is not in what later doors reject."""
    found: dict[str, dict[str, Any]] = {}
    for door in doors:
        if isinstance(door, ValidCleanLogs):
            rows = read_table(door.folder(draft.workspace) / ROWS, ("row_id", *OUTCOME))
            for row in rows.filter(pc.is_in(rows["row_id"], ids)).to_pylist():
                found[row.pop("row_id")] = row
    return found
