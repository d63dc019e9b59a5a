"""Sorting rows by what their quality checks said."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.errors import DataError
from tasks.core.quality.checking import QualityResult
from tasks.core.store.ledger import Entry


def quarantine(
    rows: Sequence[Mapping[str, Any]], result: QualityResult, on_failure: str
) -> tuple[list[Mapping[str, Any]], list[Entry]]:
    """Part rows into those that broke no critical expectation and ledger entries for those that did.

    Raises `DataError` when a whole-table expectation failed, or any row when `on_failure` is `stop`.
    """
    failing = result.failing("critical")
    table = [
        check
        for check in result.checks
        if check.severity == "critical" and not check.passed and not check.row_ids
    ]
    if table or (failing and on_failure == "stop"):
        rules = sorted(
            {rule for rules in failing.values() for rule in rules} | {check.expectation for check in table}
        )
        raise DataError(
            f"{result.suite}: {len(failing)} of {result.rows} rows break {', '.join(rules)}.",
            cure="Mend the logs, or set quality.on_failure=quarantine to go on without those rows.",
        )
    kept = [row for row in rows if row["row_id"] not in failing]
    entries = [
        Entry(row["row_id"], "quarantined", failing[row["row_id"]][0], "; ".join(failing[row["row_id"]]), row)
        for row in rows
        if row["row_id"] in failing
    ]
    return kept, entries
