"""Running suites: what fails is named by row, carries its reason, and holds no text."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from good_traits import example, raw

from expectations.suites import build_suite, read_suite
from tasks.core.quality import checking
from tasks.core.quality.checking import check_rows
from tasks.core.quality.results import SHOWN, QualityResult

SECRET = "secretwords"


def checked(name: str, *rows: dict[str, Any]) -> QualityResult:
    parameters = {"max_length": 100} if name == "token_rows" else {}
    return check_rows(list(rows), build_suite(read_suite(name), **parameters))


def suite_of(*expectations: dict[str, Any]) -> Any:
    from great_expectations import ExpectationSuite

    return ExpectationSuite(name="own", expectations=list(expectations))


def expectation(kind: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "kwargs": kwargs,
        "severity": severity,
        "meta": {"rule": kind[7:]},
        "notes": "Because.",
    }


@pytest.fixture(scope="module")
def mixed() -> QualityResult:
    return checked(
        "raw_logs",
        raw("r1"),
        raw("r2", has_reply=False),
        raw("r3", has_question=False, has_reply=False),
        raw("r4", has_conversation=False),
    )


def test_failing_rows_are_named_by_id_in_the_order_of_the_suite(mixed: QualityResult) -> None:
    assert mixed.failing("warning") == {"r2": ["has a reply"], "r3": ["has a question", "has a reply"]}
    assert mixed.failing("info") == {"r4": ["has a conversation id"]}
    assert not mixed.failing("critical")
    assert [check.expectation for check in mixed.checks][:2] == ["has a question", "has a reply"]
    assert not mixed.passed


def test_a_check_tells_its_type_and_its_numbers(mixed: QualityResult) -> None:
    check = mixed.checks[1]
    assert (check.expectation_type, check.column, check.failed) == (
        "expect_column_values_to_be_in_set",
        "has_reply",
        2,
    )
    assert check.observed["element_count"] == 4
    assert check.observed["unexpected_percent"] == 50.0


@pytest.mark.parametrize("bad", [0, 1, 3])
def test_asking_twice_tells_the_same_as_asking_for_everything(bad: int) -> None:
    rows = [raw(str(number), has_reply=number >= bad, turns=2 + 5000 * (number < bad)) for number in range(3)]
    suite = build_suite(read_suite("raw_logs"))
    frame = checking._frame(pa.Table.from_pylist(rows), suite)
    whole = checking._validate(checking._validator(frame), "raw_logs", suite.expectations, checking.WHOLE)
    for check in check_rows(rows, suite).checks:
        result = whole[check.expectation]
        assert check.passed == result.success
        assert check.observed == checking._numbers(result.result)
        assert list(check.places) == result.result["unexpected_index_list"]


def test_what_was_checked_before_does_not_colour_what_is_checked_now() -> None:
    assert not checked("raw_logs", raw("a", has_reply=False)).passed
    assert checked("raw_logs", raw("a")).passed


def test_shards_checked_at_the_same_time_do_not_meet(mixed: QualityResult) -> None:
    shards = [[raw(f"{shard}-{row}", has_reply=row != shard % 8) for row in range(8)] for shard in range(16)]
    suite = build_suite(read_suite("raw_logs"))
    usual = sys.getswitchinterval()
    sys.setswitchinterval(
        1e-5
    )  # threads take turns often; without the lock, most results are of another shard
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda rows: check_rows(rows, suite).failing("warning"), shards))
    finally:
        sys.setswitchinterval(usual)
    assert found == [{f"{shard}-{shard % 8}": ["has a reply"]} for shard in range(16)]


def test_columns_of_any_width_are_compared_as_numbers() -> None:
    table = pa.table(
        {
            "row_id": ["a", "b"],
            "small": pa.array([1, 9], pa.int8()),
            "unsigned": pa.array([1, 9], pa.uint32()),
            "half": pa.array([1.0, 9.0], pa.float32()),
        }
    )
    wanted = [
        {
            **expectation("expect_column_values_to_be_between", column=name, max_value=5),
            "meta": {"rule": name},
        }
        for name in ("small", "unsigned", "half")
    ]
    assert check_rows(table, suite_of(*wanted)).failing("critical") == {"b": ["small", "unsigned", "half"]}


def test_a_check_that_cannot_run_does_not_pass_and_tells_no_value() -> None:
    suite = build_suite(read_suite("raw_logs"))
    with pytest.raises(AssertionError, match="no column conversation_hash, created_is_a_time"):
        check_rows([{"row_id": "a"}], suite)
    with pytest.raises(AssertionError, match=r"\(reply is not a dump\) could not be computed") as caught:
        check_rows([raw("a", reply_chars=SECRET)], suite)
    assert SECRET not in str(caught.value)


def test_no_rows_are_no_failure() -> None:
    assert checked("raw_logs").passed


def test_the_stored_result_is_bounded_and_holds_no_value() -> None:
    rows = [example(f"r{number}", split=SECRET, fingerprint=SECRET) for number in range(SHOWN + 5)]
    stored = json.dumps(checked("training_examples", *rows).to_json())
    assert SECRET not in stored
    check = json.loads(stored)["checks"][0]
    assert (check["failed"], len(check["row_ids"])) == (SHOWN + 5, SHOWN)
    assert stored == json.dumps(checked("training_examples", *rows).to_json())


def test_a_check_that_passes_for_most_rows_names_none() -> None:
    rows = [{"row_id": str(number), "flag": number > 0} for number in range(10)]
    lenient = expectation(
        "expect_column_values_to_be_in_set", "warning", column="flag", value_set=[True], mostly=0.9
    )
    check = check_rows(rows, suite_of(lenient)).checks[0]
    assert (check.passed, check.failed, check.row_ids, check.places) == (True, 1, (), ())


def test_a_check_of_the_whole_table_tells_what_it_saw() -> None:
    few = expectation("expect_table_row_count_to_be_between", min_value=3)
    result = check_rows([{"row_id": "a"}], suite_of(few))
    assert [check.expectation for check in result.failed("critical")] == ["table_row_count_to_be_between"]
    assert result.checks[0].observed == {"observed_value": 1}


def test_two_rows_with_one_id_both_count() -> None:
    check = checked("raw_logs", raw("a"), raw("a", has_reply=False), raw("a", has_reply=False)).checks[1]
    assert (check.failed, check.row_ids, check.places) == (2, ("a", "a"), (1, 2))
