"""Checking: rows' traits against a Great Expectations suite; what fails is named by row id, never by value."""

import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["row_id"],
    "return_unexpected_index_query": False,
}


@dataclass(frozen=True)
class Check:
    """What one expectation said; `row_ids` are the rows that break it, empty for one on the whole table."""

    expectation: str
    column: str
    severity: str
    notes: str
    passed: bool
    failed: int
    row_ids: tuple[str, ...]


@dataclass(frozen=True)
class QualityResult:
    """What a suite said of a shard."""

    suite: str
    rows: int
    passed: bool
    checks: tuple[Check, ...]

    def failing(self, severity: str) -> dict[str, list[str]]:
        """Give the rules that each failing row breaks, of one severity."""
        rules: defaultdict[str, list[str]] = defaultdict(list)
        for check in self.checks:
            if check.severity == severity:
                for row_id in check.row_ids:
                    rules[row_id].append(check.expectation)
        return dict(rules)

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values; there are no values of rows in it."""
        return asdict(self)


def check_rows(traits: Sequence[Mapping[str, Any]], suite: Any) -> QualityResult:
    """Validate traits, one mapping a row with `row_id`, by an expectation suite.

    Raises `AssertionError` when an expectation could not be computed or is missing from the result: that is a bug
    in the suite or its traits, and a check that did not run must not pass.
    """
    import pandas as pd

    if not traits:
        return QualityResult(suite.name, 0, passed=True, checks=())
    batch = _asset().add_batch_definition_whole_dataframe(f"{suite.name}-{id(traits)}")
    frame = pd.DataFrame(list(traits))
    validated = batch.get_batch(batch_parameters={"dataframe": frame}).validate(
        suite, result_format=RESULT_FORMAT
    )
    checks = tuple(_check(result) for result in validated.results)
    if len(checks) != len(suite.expectations):
        raise AssertionError(
            f"{suite.name}: {len(checks)} of {len(suite.expectations)} expectations gave a result"
        )
    ordered = tuple(sorted(checks, key=lambda check: (check.column, check.expectation)))
    return QualityResult(suite.name, len(traits), all(check.passed for check in checks), ordered)


@cache
def _asset() -> Any:
    """Open one context without files, progress bars or telemetry; opening costs a second, so once in a process."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_pandas("rows").add_dataframe_asset("traits")


def _check(result: Any) -> Check:
    config = result.expectation_config
    broken = [
        str(info["exception_message"])[:200]
        for info in _exceptions(result.exception_info)
        if info["raised_exception"]
    ]
    if broken:
        raise AssertionError(
            f"{config.type} on {config.kwargs.get('column')} could not be computed: {broken[0]}"
        )
    rows = result.result.get("unexpected_index_list") or []
    return Check(
        expectation=str(config.meta.get("rule", config.type)),
        column=str(config.kwargs.get("column", "")),
        severity=str(getattr(config.severity, "value", config.severity)),
        notes=str(config.notes or ""),
        passed=bool(result.success),
        failed=int(result.result.get("unexpected_count") or 0),
        row_ids=tuple(str(row["row_id"]) for row in rows),
    )


def _exceptions(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give exception records in one shape: GX writes one flat, or several by metric."""
    return [info] if "raised_exception" in info else list(info.values())
