"""Sorting by severity: critical stops, warning quarantines, info only reports."""

import pyarrow as pa
import pytest

from tasks.core.errors import DataError
from tasks.core.quality.results import Check, QualityResult
from tasks.core.quality.sorting import quarantine

SECRET = "secretwords"
IDS = ("r1", "r2", "r3", "r4")


def check(rule: str, severity: str, *places: int, ids: tuple[str, ...] = IDS, passed: bool = False) -> Check:
    named = tuple(ids[place] for place in places)
    return Check(
        rule, f"expect_{rule}", rule, severity, f"Why {rule}.", passed, len(places), named, {}, places
    )


def result(*checks: Check, rows: int = 4) -> QualityResult:
    return QualityResult("raw_logs", rows, all(one.passed for one in checks), checks)


def table(*row_ids: str) -> pa.Table:
    lines = list(range(11, 11 + len(row_ids)))
    return pa.table({"row_id": list(row_ids), "line": lines, "reply": [SECRET] * len(row_ids)})


def test_rows_that_break_a_warning_go_to_quarantine_with_the_first_rule_they_break() -> None:
    kept, entries = quarantine(
        table(*IDS), result(check("reply", "warning", 1, 2), check("time", "warning", 2, 3)), "quarantine"
    )
    assert kept["row_id"].to_pylist() == ["r1"]
    assert [(one.row_id, one.line, one.fate, one.rule, one.expectation) for one in entries] == [
        ("r2", 12, "quarantined", "reply", "expect_reply"),
        ("r3", 13, "quarantined", "reply", "expect_reply"),
        ("r4", 14, "quarantined", "time", "expect_time"),
    ]
    assert entries[1].reason == "not met: reply; time. Why reply."
    assert entries[1].row == {"row_id": "r3", "line": 13, "reply": SECRET}


def test_what_is_only_reported_changes_no_row() -> None:
    rows = table(*IDS)
    kept, entries = quarantine(rows, result(check("id", "info", 0, 1, 2, 3)), "stop")
    assert kept is rows
    assert not entries


def test_warnings_stop_the_run_where_the_settings_say_so() -> None:
    broken = result(check("reply", "warning", 1, 2), check("time", "warning", 2))
    with pytest.raises(DataError, match=r"raw_logs: 2 of 4 rows break reply, time \(r2, r3\)\.") as caught:
        quarantine(table(*IDS), broken, "stop")
    assert "quality.on_failure=quarantine" in caught.value.cure
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("on_failure", ["quarantine", "stop"])
def test_a_critical_failure_stops_the_run_whatever_the_settings_say(on_failure: str) -> None:
    with pytest.raises(DataError, match=r"4 of 4 rows break side \(r1, r2, r3, …\)\. Why side\."):
        quarantine(table(*IDS), result(check("side", "critical", 0, 1, 2, 3)), on_failure)


def test_a_critical_failure_of_the_whole_table_stops_the_run() -> None:
    with pytest.raises(DataError, match="the 4 rows together break share"):
        quarantine(table(*IDS), result(check("share", "critical")), "quarantine")


def test_of_two_rows_with_one_id_only_the_bad_one_goes() -> None:
    same = ("r", "r", "r", "r")
    kept, entries = quarantine(table(*same), result(check("reply", "warning", 2, ids=same)), "quarantine")
    assert kept["line"].to_pylist() == [11, 12, 14]
    assert [one.line for one in entries] == [13]


def test_a_result_of_other_rows_is_refused() -> None:
    broken = result(check("reply", "warning", 1))
    for rows in (table("r1"), table(*reversed(IDS)), table(*IDS, "r5")):
        with pytest.raises(AssertionError, match="of other rows"):
            quarantine(rows, broken, "quarantine")


def test_rows_in_several_chunks_and_without_lines_are_sorted_too() -> None:
    rows = pa.concat_tables([table(*IDS[:1]), table(*IDS[1:])]).drop_columns("line")
    kept, entries = quarantine(rows, result(check("reply", "warning", 0, 3)), "quarantine")
    assert kept["row_id"].to_pylist() == ["r2", "r3"]
    assert [(one.row_id, one.line) for one in entries] == [("r1", 0), ("r4", 0)]
