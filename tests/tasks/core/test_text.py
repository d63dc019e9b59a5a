"""Cleaning: what must go goes, what must stay stays, and doing it twice changes nothing."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tasks.core.settings import CleaningSettings, Outcome
from tasks.core.text.conversation_cleaning import clean_conversation
from tasks.core.text.normalization import (
    has_hidden,
    has_markup,
    neutralize_markers,
    normalize_text,
)
from tasks.core.text.redaction import find_personal_data, personal_data_left, redact, redact_conversation
from tasks.core.text.redaction_scoring import score

FIXTURE = Path(__file__).parents[2] / "data" / "personal_data" / "personal_data.jsonl"
SCORES = Path(__file__).parents[3] / "tasks" / "core" / "text" / "redaction_scores.json"
BLOB = b64encode(bytes(range(256)) * 3).decode()
DEFAULT, EVERY = CleaningSettings(), Outcome()
PATTERNS = ("CARD", "EMAIL", "IBAN", "IP", "ORDER", "PHONE", "SECRET", "URL")
NORMAL = {
    "<p>Hello<br>there</p><p>you</p>": "Hello\nthere\n\nyou",
    "Tom &amp; Jerry &#8364;5": "Tom & Jerry €5",
    "<p>a</p><script>var x = 1;</script>": "a",
    "use <your name> and a < b": "use <your name> and a < b",
    "GrÃ¼Ã\x9fe": "Grüße",
    "a\u200bb\x00c\u202e": "abc",
    "one  two\t three \r\n\r\n\r\n\r\nfour": "one two three\n\nfour",
    "e\u0301": "é",
    "": "",
}


def row(**changes: Any) -> dict[str, Any]:
    base = {
        "row_id": "r",
        "line": 1,
        "conversation": "c",
        "created": "",
        "language": "en",
        "product": "",
        "requester": "",
        "agent": "",
        "question": "How do I reset the app to its first state?",
        "reply": "Open the settings and choose Reset at the bottom.",
        "history": [],
        "solved": None,
        "votes": None,
        "csat": None,
        "reopened": None,
    }
    return {**base, **changes}


def cleaned(rules: CleaningSettings = DEFAULT, outcome: Outcome = EVERY, **changes: Any) -> Any:
    return clean_conversation(row(**changes), rules, outcome)


@pytest.mark.parametrize(("text", "expected"), NORMAL.items())
def test_text_becomes_plain(text: str, expected: str) -> None:
    assert normalize_text(text) == expected


@pytest.mark.parametrize(
    "text", [*NORMAL, "&amp;lt;b&amp;gt;x", "<<b>b>", "<p><", "a &amp;amp;amp; b", "\ufeff\u2028x"]
)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize_text(text)
    assert normalize_text(once) == once
    assert not has_markup(once)
    assert not has_hidden(once)


@pytest.mark.parametrize(
    "marker", ["### Response:", "<s>", "</s>", "<|im_start|>", "[INST]", "<pad>", "## instruction :"]
)
def test_no_marker_of_a_prompt_is_left(marker: str) -> None:
    broken = neutralize_markers(f"before\n{marker} after")
    assert marker not in broken
    assert neutralize_markers(broken) == broken
    assert "after" in broken


def test_a_conversation_keeps_one_placeholder_for_one_value() -> None:
    texts, found = redact_conversation(
        ["Write to Ada@example.org or bo@example.org.", "I wrote to ada@EXAMPLE.org."], ["Ada Sand"]
    )
    assert texts == ["Write to <EMAIL_1> or <EMAIL_2>.", "I wrote to <EMAIL_1>."]
    assert found == {"EMAIL": 3}
    assert redact_conversation(texts)[1] == {}


@pytest.mark.parametrize(
    "text",
    [
        "Thunderbird 128.5.2 on Windows 11",
        "error 0x80070005",
        "my password is wrong",
        "in 2024 and 2025",
        "https://example.org/help/page",
        "ratio 3:4:5",
        "since 08-12-2024 1:47 and 04/28/2025  12:30",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    assert redact(text) == (text, {})


def fixture(section: str) -> list[tuple[str, list[str], list[tuple[int, int, str]]]]:
    rows = [json.loads(line) for line in FIXTURE.read_text(encoding="utf-8").splitlines()]
    return [
        (one["text"], one["names"], [tuple(span) for span in one["spans"]])
        for one in rows
        if one["section"] == section
    ]


def test_the_scores_that_reports_quote_are_those_of_the_fixture() -> None:
    quoted = json.loads(SCORES.read_text(encoding="utf-8"))
    for section in ("main", "obfuscated"):
        assert quoted[section] == score(fixture(section), find_personal_data)
    assert quoted["rows"] == len(fixture("main")) >= 400


def test_personal_data_is_found_and_little_else() -> None:
    scores = score(fixture("main"), find_personal_data)
    for kind in PATTERNS:
        assert scores[kind]["labelled"] >= 25, kind
        assert scores[kind]["recall"] >= 0.99, kind
        assert scores[kind]["precision"] >= 0.95, kind
    assert {"NAME", "HANDLE"} <= set(scores)


def test_redacting_the_fixture_twice_changes_nothing() -> None:
    for text, names, _ in [*fixture("main"), *fixture("obfuscated")]:
        (once,), _ = redact_conversation([text], names)
        assert not personal_data_left(once)
        assert redact_conversation([once], names)[0] == [once]


@pytest.mark.parametrize(
    "hostile", ["a@" * 50_000, "1" * 100_000, "1.2." * 25_000, "password: " * 10_000, ":" * 100_000]
)
def test_hostile_text_costs_little(hostile: str) -> None:
    import time

    began = time.process_time()
    redact(hostile)
    assert time.process_time() - began < 5


def test_quoted_mail_signature_and_prompt_style_are_cut_and_counted() -> None:
    done = cleaned(
        question="Human: The app does not start any more.\n-- \nMira Sand\nHead of Boats",
        reply="Assistant: Please start it again.\n\nOn Monday, support wrote:\n> Dear customer,\n> what is it?",
    )
    assert done.row["question"] == "The app does not start any more."
    assert done.row["reply"] == "Please start it again."
    assert {"signature", "quoted_mail", "prompt_style"} <= set(done.changes)


def test_names_that_the_log_knows_are_replaced() -> None:
    done = cleaned(
        requester="mirasand", agent="Jona Bell", reply="Hello mirasand, open the settings. Regards, Jona Bell"
    )
    assert "mirasand" not in done.row["reply"]
    assert "Bell" not in done.row["reply"]
    kept = cleaned(
        CleaningSettings(known_names=False), requester="mirasand", reply="Hello mirasand, open the settings."
    )
    assert "mirasand" in kept.row["reply"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"question": "?"}, "short_question"),
        ({"reply": "ok"}, "short_reply"),
        ({"reply": "Thank you very much for your help!"}, "acknowledgement"),
        ({"reply": "a@example.org +49 30 5550 1234 bo@example.org"}, "only_personal_data"),
        ({"reply": BLOB}, "only_personal_data"),
    ],
)
def test_rows_that_cannot_teach_are_named(changes: dict[str, str], rule: str) -> None:
    assert cleaned().rule is None
    assert cleaned(**changes).rule == rule


def test_encoded_data_is_no_reply_even_where_nothing_is_redacted() -> None:
    assert cleaned(CleaningSettings(redact=False), reply=BLOB).rule == "blob"


def test_outcomes_filter_what_is_known_of_them() -> None:
    only = Outcome(solved="s", only_solved=True)
    assert cleaned(outcome=only, solved=True).rule is None
    assert cleaned(outcome=only, solved=None).rule == "unsolved"
    assert cleaned(outcome=Outcome(votes="v", min_votes=2), votes=1.0).rule == "few_votes"
    assert cleaned(outcome=Outcome(votes="v", min_votes=2), votes=None).rule is None
    assert cleaned(outcome=Outcome(csat="c", min_csat=3), csat=1.0).rule == "low_csat"
    assert cleaned(outcome=Outcome(reopened="r", drop_reopened=True), reopened=True).rule == "reopened"


def test_languages_are_identified_and_wanted_ones_kept() -> None:
    german = "Wie kann ich die App auf ihren ersten Zustand zurücksetzen, wenn nichts mehr geht?"
    answer = "Öffnen Sie die Einstellungen und wählen Sie ganz unten die Schaltfläche Zurücksetzen."
    done = cleaned(language="", question=german, reply=answer)
    assert done.row["language"] == "de"
    assert done.row["language_source"] == "detected"
    only_english = CleaningSettings(languages=("en",))
    assert cleaned(only_english, language="", question=german, reply=answer).rule == "language"
    assert cleaned(only_english, language="en-US").rule is None
    assert (
        cleaned(only_english, language="", question="short text", reply="and a reply of little length").rule
        is None
    )


def test_cleaning_a_clean_row_changes_nothing() -> None:
    done = cleaned(
        question="<p>Mail me at a@example.org</p><p>&amp;lt;b&amp;gt; ### Response: please</p>",
        reply="Grüße\u200b! Call +49 30 5550 1234 and open <your name>.",
    )
    again = clean_conversation(done.row, CleaningSettings())
    assert again.row == done.row
    assert again.changes == {}
    assert done.looked_through
