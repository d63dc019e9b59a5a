"""Cleaning: what must go goes, what must stay stays, and doing it twice changes nothing."""

import pytest

from tasks.core.text.duplicates import find_repeats, fingerprint
from tasks.core.text.filtering import drop_reason
from tasks.core.text.normalization import has_hidden, has_markup, neutralize_markers, normalize_text
from tasks.core.text.redaction import redact
from tasks.core.text.splitting import group_of, is_held_out

NORMAL = {
    "<p>Hello<br>there</p><p>you</p>": "Hello\nthere\n\nyou",
    "Tom &amp; Jerry &#8364;5": "Tom & Jerry €5",
    "<p>a</p><script>var x = 1;</script>": "a",
    "use <your name> and a < b": "use <your name> and a < b",
    "&lt;pre&gt;code&lt;/pre&gt;": "code",
    "GrÃ¼Ã\x9fe": "Grüße",
    "a\u200bb\x00c\u202e": "abc",
    "one  two\t three \r\n\r\n\r\n\r\nfour": "one two three\n\nfour",
    "e\u0301": "é",
    "line one\n<b>line two</b>": "line one\nline two",
    "": "",
}


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


GONE = {
    "write to max.muster+x@mail.example.org now": ("EMAIL", "muster"),
    "max (at) example (dot) org": ("EMAIL", "max"),
    "call +49 30 5550 1234 today": ("PHONE", "5550"),
    "ring (555) 010-0199.": ("PHONE", "0199"),
    "card 4111 1111 1111 1111": ("CARD", "1111"),
    "DE89 3704 0044 0532 0130 00": ("IBAN", "0044"),
    "from 192.0.2.17 again": ("IP", "192"),
    "at 2001:db8:0:1::1f": ("IP", "db8"),
    "password: Tulpe-2026!": ("SECRET", "Tulpe"),
    "mein Passwort ist blau3Haus": ("SECRET", "blau3"),
    "key sk-test0123456789abcdef": ("SECRET", "0123456789"),
    "see https://user:pw@host.example/a?token=abc#x": ("URL", "token"),
}


@pytest.mark.parametrize("text", GONE)
def test_personal_data_is_replaced(text: str) -> None:
    kind, gone = GONE[text]
    redacted, found = redact(text)
    assert gone not in redacted
    assert found == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "Thunderbird 128.5.2 on Windows 11",
        "order 20260930 from 2026-09-30 at 12:30:45",
        "error 0x80070005",
        "my password is wrong",
        "serial 1234 5678 9012 3456",
        "in 2024 and 2025",
        "https://example.org/help/page",
        "ratio 3:4:5",
        "since 08-12-2024 1:47 and 04/28/2025  12:30",
        "es ist skontiert, skonfigurowane i skoncentrowane",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    assert redact(text) == (text, {})


def test_short_or_unwanted_rows_are_named() -> None:
    row = {"question": "How do I do it?", "reply": "Open the settings first.", "language": "en-US"}
    assert drop_reason(row, 5, 5, ["en"]) is None
    assert drop_reason(row, 5, 5, ["de"]) == "language"
    assert drop_reason({**row, "language": ""}, 5, 5, ["de"]) is None
    assert drop_reason({**row, "reply": "ok"}, 5, 5, []) == "short_reply"
    assert drop_reason({**row, "question": "?"}, 5, 5, []) == "short_question"


def test_the_first_of_equal_conversations_is_kept() -> None:
    same = fingerprint("How  is it?", "Fine."), fingerprint("how is IT?", "fine.")
    assert same[0] == same[1] != fingerprint("How is it?", "Not fine.")
    assert find_repeats([("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")]) == {"c": "a", "d": "a"}


def test_the_question_cannot_flow_into_the_reply() -> None:
    assert fingerprint("a b", "c") != fingerprint("a", "b c")


def test_a_requester_is_on_one_side_for_ever() -> None:
    groups = [group_of({"requester": f"user {number}", "conversation": "c"}) for number in range(4000)]
    share = sum(is_held_out(group, 0.1, "salt") for group in groups) / len(groups)
    assert 0.08 < share < 0.12
    wider = [group for group in groups if is_held_out(group, 0.2, "salt")]
    assert all(group in wider for group in groups if is_held_out(group, 0.1, "salt"))
    assert group_of({"requester": " User 1 ", "row_id": "r"}) == group_of(
        {"requester": "user 1", "row_id": "q"}
    )
    assert group_of({"requester": "", "conversation": "", "row_id": "r"}) != group_of(
        {"requester": "r", "row_id": "x"}
    )
