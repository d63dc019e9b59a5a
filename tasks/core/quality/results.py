"""Results: what a suite said of rows, by rule and row id, without a value of any row."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN = 20  # row ids in a result's JSON; the ledger has them all


@dataclass(frozen=True)
class Check:
    """What one expectation said; a check that passed names no rows, nor does one on the whole table."""

    expectation: str
    """The rule, as the suite words it."""
    expectation_type: str
    column: str
    severity: str
    notes: str
    passed: bool
    failed: int
    """Rows that break the rule; with `mostly`, a check may pass with some."""
    row_ids: tuple[str, ...]
    observed: Mapping[str, float]
    """Numbers of Great Expectations' result; no values of rows."""
    places: tuple[int, ...] = field(default=(), repr=False)
    """The rows' places in the table, from 0; in the order of `row_ids`."""


@dataclass(frozen=True)
class QualityResult:
    """What a suite said of a shard; checks are in the order of the suite."""

    suite: str
    rows: int
    passed: bool
    checks: tuple[Check, ...]
    validation: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Great Expectations' own result as JSON, without values, for its Data Docs; empty when there were no rows."""

    def failed(self, severity: str) -> list[Check]:
        """Give the checks of one severity that did not pass."""
        return [check for check in self.checks if check.severity == severity and not check.passed]

    def failing(self, severity: str) -> dict[str, list[str]]:
        """Give the rules that each failing row breaks, of one severity, by row id."""
        rules: defaultdict[str, list[str]] = defaultdict(list)
        for check in self.failed(severity):
            for row_id in dict.fromkeys(check.row_ids):
                rules[row_id].append(check.expectation)
        return dict(rules)

    def breaking(self, severity: str) -> dict[int, list[Check]]:
        """Give the checks that each failing row breaks, of one severity, by its place in the table."""
        checks: defaultdict[int, list[Check]] = defaultdict(list)
        for check in self.failed(severity):
            for place in check.places:
                checks[place].append(check)
        return dict(sorted(checks.items()))

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values, with the first row ids of each check; there are no values of rows in it."""
        checks = [
            {**asdict(check), "row_ids": check.row_ids[:SHOWN], "observed": dict(check.observed)}
            for check in self.checks
        ]
        for check in checks:
            del check["places"]
        plain = {"suite": self.suite, "rows": self.rows, "passed": self.passed, "checks": checks}
        return {**plain, "validation": dict(self.validation)}
