"""The contracts at the five doors: what each of our expectations sees, and how severe it is."""

from typing import Any

import pytest
from good_traits import GOOD, clean, example, prediction, raw, token_row

from expectations.suites import build_suite, read_suite
from tasks.core.quality.checking import check_rows
from tasks.core.quality.results import QualityResult


def checked(name: str, *rows: dict[str, Any]) -> QualityResult:
    parameters = {"max_length": 100} if name == "token_rows" else {}
    return check_rows(list(rows), build_suite(read_suite(name), **parameters))


BROKEN: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "raw_logs": {
        "warning": {
            "has a question": raw("1", has_question=False),
            "has a reply": raw("2", has_reply=False),
            "question is not a dump": raw("3", question_chars=100_001),
            "reply is not a dump": raw("4", reply_chars=100_001),
            "conversation has a sound length": raw("5", turns=1001),
            "created is plausible": raw("7", created_is_plausible=False),
        },
        "info": {
            "created is a time": raw("6", created_is_a_time=False),
            "has a conversation id": raw("8", has_conversation=False),
        },
    },
    "clean_logs": {
        "warning": {
            "no HTML": clean("1", markup_left=True),
            "no prompt marker": clean("2", marker_left=True),
            "one prompt style": clean("3", mixed_styles_left=True),
            "no hidden character": clean("4", hidden_left=True),
            "no personal data": clean("5", personal_data_left=True),
            "question has a sound length": clean("6", question_chars=50_001),
            "reply has a sound length": clean("7", reply_chars=0),
        },
        "info": {
            "no character is lost": clean("8", replacement_char_left=True),
            "language is known": clean("9", language_known=False),
        },
    },
    "training_examples": {
        "critical": {
            "split is train or held_out": example("1", split="test"),
            "requester is on one side": example("2", sides_of_group=2),
            "no near-duplicate across the split": example("3", twin_on_other_side=True),
        },
        "warning": {"reply is not the question": example("4", reply_equals_question=True)},
        "info": {
            "reply is not canned": example("5", reply_uses=26),
            "nobody dominates": example("6", rows_of_group=501),
        },
    },
    "token_rows": {
        "critical": {
            "row fits the length": token_row("1", length=101),
            "row has labels": token_row("2", labelled=0),
            "row ends with the end of sequence": token_row("4", ends_with_eos=False),
            "row begins once": token_row("6", bos_count=2),
        },
        "warning": {
            "row has a prompt": token_row("7", prompt_length=0),
            "loss sees the whole reply": token_row("3", label_coverage=0.8),
            "reply is whole": token_row("5", reply_truncated=True),
            "row has a reply to learn": token_row("8", reply_tokens=1),
            "no marker inside content": token_row("9", markers_inside=True),
        },
    },
    "predictions": {
        "critical": {
            "loss is a number": prediction("1", loss=float("nan")),
            "loss is plausible": prediction("2", loss=float("inf")),
            "row has scored tokens": prediction("3", tokens=0),
        },
        "warning": {
            "reply has no prompt marker": prediction("4", has_marker=True),
            "reply has no personal data": prediction("5", has_personal_data=True),
        },
        "info": {
            "reply is not empty": prediction("6", reply_chars=0),
            "reply comes to an end": prediction("7", stopped=False),
        },
    },
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_breaks_its_rule_and_no_other(name: str) -> None:
    rows = [row for broken in BROKEN[name].values() for row in broken.values()]
    result = checked(name, GOOD[name]("good"), *rows)
    for severity in ("critical", "warning", "info"):
        broken = BROKEN[name].get(severity, {})
        assert result.failing(severity) == {row["row_id"]: [rule] for rule, row in broken.items()}


def test_a_row_that_is_there_twice_is_found() -> None:
    assert checked("raw_logs", raw("a"), raw("a")).failing("info") == {"a": ["conversation id is used once"]}
    same = [example("a", fingerprint=7), example("b", fingerprint=7)]
    assert list(checked("training_examples", *same).failing("info")) == ["a", "b"]
    assert checked("predictions", prediction("a"), prediction("a")).failing("critical") == {
        "a": ["row was scored once"]
    }


@pytest.mark.parametrize("loss", [-1.0, 500.0, float("-inf"), None])
def test_a_loss_that_is_none_is_found_among_others(loss: float | None) -> None:
    result = checked("predictions", prediction("a", loss=loss), prediction("b"))
    assert list(result.failing("critical")) == ["a"]
