"""Checking: rows' traits against a Great Expectations suite; what fails is named by row id, never by value."""

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.quality.results import Check, QualityResult

SHORT = {"result_format": "BOOLEAN_ONLY"}
WHOLE = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
}
NUMBERS = (
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
    "observed_value",
)
"""What is kept of a result: counts and shares."""
KIND_OF_ERROR = re.compile(r"^([\w.]+(?:Error|Exception))\b", re.MULTILINE)
LOCK = Lock()  # Great Expectations keeps the rows that it looks at in one place


def check_rows(traits: pa.Table | Sequence[Mapping[str, Any]], suite: Any) -> QualityResult:
    """Validate traits, one row each with `row_id`, by an expectation suite whose rules differ.

    Every expectation is asked for yes or no first, and for its rows only where that was no. Raises `AssertionError`
    when an expectation could not be computed or is missing from the result: that is a bug in the suite or its traits,
    and a check that did not run must not pass.
    """
    table = traits if isinstance(traits, pa.Table) else pa.Table.from_pylist([dict(row) for row in traits])
    if not len(table):
        return QualityResult(suite.name, 0, passed=True, checks=())
    frame = _frame(table, suite)
    results = _results(frame, suite)
    checks = tuple(_check(result, table["row_id"]) for result in results)
    passed = all(check.passed for check in checks)
    return QualityResult(suite.name, len(table), passed, checks, _validation(suite.name, checks, results))


def _frame(table: pa.Table, suite: Any) -> Any:
    """Give the columns that the suite looks at to pandas, numbers as 64 bits: GX looks at others one by one."""
    names = dict.fromkeys(one.column for one in suite.expectations if getattr(one, "column", None))
    missing = sorted(names.keys() - set(table.column_names))
    if missing:
        raise AssertionError(f"{suite.name}: the traits have no column {', '.join(missing)}")
    columns = {name: _widened(table[name]) for name in names} or {"row_id": table["row_id"]}
    return pa.table(columns).to_pandas()


def _widened(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_signed_integer(column.type):
        return column.cast(pa.int64())
    if pa.types.is_unsigned_integer(column.type):
        return column.cast(pa.uint64())
    return column.cast(pa.float64()) if pa.types.is_floating(column.type) else column


def load_early() -> None:
    """Load Great Expectations and open its context before there are rows to check, which takes seconds."""
    with LOCK:
        _rows()


def _results(frame: Any, suite: Any) -> list[Any]:
    """Give one result for each expectation, in the order of the suite."""
    rules = [_rule(one) for one in suite.expectations]
    if len(set(rules)) != len(rules):
        raise AssertionError(f"{suite.name}: two expectations have one rule")
    exact = [
        one for one in suite.expectations if getattr(one, "mostly", None) == 1 and hasattr(one, "column")
    ]
    with LOCK:
        validator = _validator(frame)
        short = _validate(validator, suite.name, exact, SHORT)
        met = {rule: _met(result, frame) for rule, result in short.items() if result.success}
        rest = [one for one in suite.expectations if _rule(one) not in met]
        found = met | _validate(validator, suite.name, rest, WHOLE)
    if found.keys() != set(rules):
        raise AssertionError(f"{suite.name}: {len(found)} of {len(rules)} expectations gave a result")
    return [found[rule] for rule in rules]


def _validator(frame: Any) -> Any:
    """Give what runs expectations on a frame, which it reads in once for all of them."""
    from great_expectations.validator.v1_validator import Validator

    return Validator(_rows(), batch_parameters={"dataframe": frame})


def _validate(
    validator: Any, name: str, expectations: Iterable[Any], form: Mapping[str, Any]
) -> dict[str, Any]:
    """Run some expectations and give their results by rule."""
    from great_expectations import ExpectationSuite

    copies = [copy(one) for one in expectations]  # an expectation belongs to one suite
    if not copies:
        return {}
    validator.result_format = dict(form)
    validated = validator.validate_expectation_suite(ExpectationSuite(name=name, expectations=copies))
    for result in validated.results:
        _insist_on_computed(name, result)
    return {_rule(result.expectation_config): result for result in validated.results}


@cache
def _rows() -> Any:
    """Open one context without files, progress bars or telemetry; opening costs a second, so once in a process."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("traits")
    return asset.add_batch_definition_whole_dataframe("all")


def _insist_on_computed(name: str, result: Any) -> None:
    """Raise for an expectation that could not be computed; the message names no value, only the kind of error."""
    info = result.exception_info
    infos = [info] if "raised_exception" in info else info.values()  # GX writes one, or several by metric
    raised = [str(one["exception_traceback"]) for one in infos if one["raised_exception"]]
    if raised:
        config = result.expectation_config
        kinds = KIND_OF_ERROR.findall(raised[0])
        kind = kinds[-1] if kinds else "an error"
        raise AssertionError(f"{name}: {config.type} ({_rule(config)}) could not be computed: {kind[:80]}")


def _met(result: Any, frame: Any) -> Any:
    """Fill in what a result says in whole when no row breaks the expectation."""
    missing = int(frame[result.expectation_config.to_domain_obj().column].isna().sum())
    share = 0.0 if missing < len(frame) else None
    result.result = {
        "element_count": len(frame),
        "unexpected_count": 0,
        "unexpected_percent": share,
        "missing_count": missing,
        "missing_percent": missing / len(frame) * 100,
        "unexpected_percent_total": 0.0,
        "unexpected_percent_nonmissing": share,
        "unexpected_index_list": [],
    }
    return result


def _check(result: Any, row_ids: pa.ChunkedArray) -> Check:
    config = result.expectation_config
    places = [] if result.success else result.result.get("unexpected_index_list") or []
    return Check(
        expectation=_rule(config),
        expectation_type=str(config.type),
        column=str(getattr(config.to_domain_obj(), "column", "")),
        severity=str(getattr(config.severity, "value", config.severity)),
        notes=str(config.notes or ""),
        passed=bool(result.success),
        failed=int(result.result.get("unexpected_count") or 0),
        row_ids=tuple(str(one) for one in pc.take(row_ids, pa.array(places, pa.int64())).to_pylist()),
        observed=_numbers(result.result),
        places=tuple(int(place) for place in places),
    )


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    found = {name: result[name] for name in NUMBERS if isinstance(result.get(name), int | float)}
    return {name: value for name, value in found.items() if value == value}  # noqa: PLR0124 - NaN is no number


def _rule(one: Any) -> str:
    """Give the rule of an expectation or of its configuration."""
    kind = getattr(one, "expectation_type", "") or one.type
    return str((one.meta or {}).get("rule", kind))


def _validation(name: str, checks: Sequence[Check], results: Sequence[Any]) -> dict[str, Any]:
    """Write the result the way Great Expectations does, without rows, values, times or batch: equal rows, equal bytes."""
    met = sum(check.passed for check in checks)
    return {
        "suite_name": name,
        "success": met == len(checks),
        "statistics": {
            "evaluated_expectations": len(checks),
            "successful_expectations": met,
            "unsuccessful_expectations": len(checks) - met,
            "success_percent": met / len(checks) * 100 if checks else None,
        },
        "results": [_outcome(check, result) for check, result in zip(checks, results, strict=True)],
    }


def _outcome(check: Check, result: Any) -> dict[str, Any]:
    kwargs = {name: value for name, value in result.expectation_config.kwargs.items() if name != "batch_id"}
    return {
        "success": check.passed,
        "expectation_config": {
            "type": check.expectation_type,
            "kwargs": {**({"column": check.column} if check.column else {}), **kwargs},
            "severity": check.severity,
            "meta": {"rule": check.expectation},
            "notes": check.notes,
        },
        "result": dict(check.observed),
    }
