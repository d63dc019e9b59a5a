"""Sorting rows by what their quality checks said: critical stops, warning quarantines, info only reports."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import DataError
from tasks.core.quality.results import Check, QualityResult
from tasks.core.store.ledger import Entry

EXAMPLES = 3  # row ids in a message


def quarantine(table: pa.Table, result: QualityResult, on_failure: str) -> tuple[pa.Table, list[Entry]]:
    """Part the rows of `table`, whose traits gave `result`, into those that are kept and ledger entries for the others.

    Raises `DataError` when a critical expectation failed, or a warning when `on_failure` is `stop`.
    """
    _insist_on_these_rows(table, result)
    critical = result.failed("critical")
    if critical:
        raise DataError(
            f"{_told(result, critical)} {critical[0].notes}",
            cure="This must never be: mend the logs, or change the rule in a suite of your own (quality.suites).",
        )
    broken = result.breaking("warning")
    if broken and on_failure == "stop":
        raise DataError(
            _told(result, result.failed("warning")),
            cure="Mend the logs, or set quality.on_failure=quarantine to go on without those rows.",
        )
    if not broken:
        return table, []
    stays = np.ones(len(table), bool)
    stays[list(broken)] = False
    rejected = table.take(pa.array(list(broken), pa.int64())).to_pylist()
    entries = [_entry(row, checks) for row, checks in zip(rejected, broken.values(), strict=True)]
    return table.filter(pa.array(stays)), entries


def _insist_on_these_rows(table: pa.Table, result: QualityResult) -> None:
    """Rows are told apart by their place, since two may share an id: the table must be the one that was checked."""
    named = _rows_of(result.checks)
    if len(table) == result.rows:
        here = pc.take(table["row_id"], pa.array(list(named), pa.int64())).to_pylist()
        if [str(row_id) for row_id in here] == list(named.values()):
            return
    raise AssertionError(f"{result.suite}: the result is of other rows")


def _rows_of(checks: Iterable[Check]) -> dict[int, str]:
    """Give the ids of the rows that some checks name, by place, in order."""
    named = {place: row for one in checks for place, row in zip(one.places, one.row_ids, strict=True)}
    return dict(sorted(named.items()))


def _told(result: QualityResult, failed: list[Check]) -> str:
    """Say how many rows break which rules, and name a few; a rule on the whole table names none."""
    rules = ", ".join(check.expectation for check in failed)
    rows = list(_rows_of(failed).values())
    if not rows:
        return f"{result.suite}: the {result.rows} rows together break {rules}."
    few = ", ".join(rows[:EXAMPLES]) + ", …" * (len(rows) > EXAMPLES)
    return f"{result.suite}: {len(rows)} of {result.rows} rows break {rules} ({few})."


def _entry(row: dict[str, object], checks: list[Check]) -> Entry:
    first = checks[0]
    rules = "; ".join(check.expectation for check in checks)
    line = row.get("line")
    return Entry(
        row_id=str(row["row_id"]),
        line=line if isinstance(line, int) else 0,
        fate="quarantined",
        rule=first.expectation,
        reason=f"not met: {rules}. {first.notes}",
        expectation=first.expectation_type,
        row=row,
    )
