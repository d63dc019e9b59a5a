"""Readmission: rows of this run's quarantine that a person has fixed are taken back."""

from pathlib import Path

from tasks.core.intake.canonical import table_of
from tasks.core.receipts import FixedRows, RawLogs, ValidCleanLogs, ValidLogs
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_file
from tasks.core.store.fixed_rows import FIXED, read_fixed
from tasks.core.store.ledger import FATES, write_ledger
from tasks.core.store.rows import QUARANTINE, ROWS, iterate_rows, write_table
from tasks.lid import step


def find_fixed_rows(workspace: Path) -> FixedRows | None:
    """Find the rows that people have fixed in this workspace."""
    path = workspace / FIXED
    return FixedRows(path=path, digest=digest_file(path)) if path.exists() else None


@step("readmission", RawLogs, libraries=("pyarrow",))
def readmit_rows(
    draft: Draft, fixed: FixedRows, doors: tuple[RawLogs | ValidLogs | ValidCleanLogs, ...]
) -> RawLogs:
    """Take back those of the fixed rows that this run has put into quarantine, each once."""
    rows = read_fixed(fixed.path)
    held = {
        line["row_id"] for door in doors for line in iterate_rows(door.folder(draft.workspace) / QUARANTINE)
    }

    taken = [row for row_id, row in sorted(rows.items()) if row_id in held]

    write_table(draft.folder / ROWS, table_of(taken))
    write_ledger(draft.folder, "readmission", [])
    counts: dict[str, int] = {"in": 0, "kept": len(taken)}
    counts |= {fate: -len(taken) if fate == "quarantined" else 0 for fate in FATES}
    return draft.seal(RawLogs, counts=counts)
