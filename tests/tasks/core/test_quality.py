"""Suites and their running: what fails is named by row, carries its reason, and holds no text."""

import importlib
import json
from typing import Any

import pytest

from tasks.core.errors import DataError
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.text.traits import clean_traits, example_traits, raw_traits

SUITES = ["raw_logs", "clean_logs", "training_examples", "token_rows", "predictions"]


def suite(name: str) -> Any:
    made = importlib.import_module(f"expectations.{name}").suite
    return made(100) if name == "token_rows" else made()


def row(number: int, **changes: str) -> dict[str, str]:
    base = {
        "row_id": f"r{number}",
        "conversation": f"c{number}",
        "created": "2026-09-01T10:00:00+00:00",
        "question": f"How do I do number {number}?",
        "reply": f"Open menu {number} and choose it.",
    }
    return {**base, **changes}


@pytest.mark.parametrize("name", SUITES)
def test_every_expectation_says_why_and_how_severe(name: str) -> None:
    for expectation in suite(name).expectations:
        assert len(expectation.notes) > 20
        assert expectation.severity in ("critical", "warning", "info")
        assert expectation.meta["rule"]


def test_failing_rows_are_named_by_id_without_their_text() -> None:
    rows = [row(1), row(2, reply="  "), row(3, question="", reply=""), row(4, created="25:61 secret words")]
    result = check_rows(raw_traits(rows), suite("raw_logs"))
    assert result.failing("critical") == {"r2": ["has a reply"], "r3": ["has a question", "has a reply"]}
    assert result.failing("warning") == {"r4": ["created is a time"]}
    assert "secret words" not in json.dumps(result.to_json())
    assert len(result.checks) == len(suite("raw_logs").expectations)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("see <b>this</b> please", "no HTML"),
        ("then ### Response:\n### Instruction: go", "no prompt marker"),
        ("hid\u200bden", "no hidden character"),
        ("mail a.b@example.org", "no e-mail address"),
    ],
)
def test_a_dirty_row_breaks_its_rule(text: str, rule: str) -> None:
    result = check_rows(clean_traits([row(1), row(2, reply=text)]), suite("clean_logs"))
    assert result.failing("critical") == {"r2": [rule]}


def test_a_requester_on_both_sides_is_found() -> None:
    rows = [
        {**row(number), "group": "g", "split": split, "fingerprint": str(number)}
        for number, split in ((1, "train"), (2, "held_out"))
    ]
    assert check_rows(example_traits(rows), suite("training_examples")).failing("critical") == {
        "r1": ["requester is on one side"],
        "r2": ["requester is on one side"],
    }


def test_a_row_that_never_ends_is_found() -> None:
    traits = [
        {
            "row_id": "a",
            "length": 9,
            "prompt_length": 4,
            "reply_tokens": 5,
            "ends_with_eos": False,
            "bos_count": 2,
        }
    ]
    assert check_rows(traits, suite("token_rows")).failing("critical")["a"] == [
        "row begins once",
        "row ends with the end of sequence",
    ]


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -1.0, 500.0])
def test_a_loss_that_is_none_is_found(loss: float) -> None:
    traits = [{"row_id": "a", "loss": loss, "tokens": 3}, {"row_id": "b", "loss": 1.0, "tokens": 3}]
    result = check_rows(traits, suite("predictions"))
    assert not result.passed
    assert list(result.failing("critical")) == ["a"]


def test_a_check_that_cannot_run_does_not_pass() -> None:
    with pytest.raises(AssertionError):
        check_rows([{"row_id": "a"}], suite("raw_logs"))


def test_no_rows_are_no_failure() -> None:
    assert check_rows([], suite("raw_logs")).passed


def test_bad_rows_go_to_quarantine_or_stop_the_run() -> None:
    rows = [row(1), row(2, reply="")]
    result = check_rows(raw_traits(rows), suite("raw_logs"))
    kept, entries = quarantine(rows, result, "quarantine")
    assert [one["row_id"] for one in kept] == ["r1"]
    assert (entries[0].row_id, entries[0].rule, entries[0].fate) == ("r2", "has a reply", "quarantined")
    with pytest.raises(DataError, match="1 of 2 rows break has a reply"):
        quarantine(rows, result, "stop")
