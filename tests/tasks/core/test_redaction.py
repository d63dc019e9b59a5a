"""Redaction: every kind is found as often as promised, nothing is left, and hostile text costs little time."""

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import SettingsError
from tasks.core.privacy.finders.bank_numbers import LENGTHS, is_card, is_iban
from tasks.core.privacy.gates import open_gates
from tasks.core.privacy.redaction import (
    FINDERS,
    find_personal_data,
    personal_data_left,
    redact,
    redact_conversation,
)
from tasks.core.privacy.redaction_scoring import redacted_spans, score
from tasks.core.privacy.view import View, plain_form
from tasks.core.settings import CleaningSettings

DATA = Path(__file__).parents[2] / "data" / "personal_data"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (DATA / "personal_data.jsonl").read_text(encoding="utf-8").splitlines()
]
SCORES = json.loads((Path(__file__).parents[3] / "tasks/core/privacy/redaction_scores.json").read_bytes())
CHECKED = ("EMAIL", "PHONE", "CARD", "IBAN", "IP", "URL", "SECRET", "ORDER")
LONG = 100_000


def measured(section: str) -> dict[str, dict[str, Any]]:
    rows = [(row["text"], row["names"], row["spans"]) for row in ROWS if row["section"] == section]
    return score(rows, find_personal_data)


def test_the_script_writes_the_same_rows(tmp_path: Path) -> None:
    for name in ("make_personal_data.py", "invented_values.py"):
        shutil.copyfile(DATA / name, tmp_path / name)
    shutil.copytree(DATA / "sentences", tmp_path / "sentences")
    subprocess.run([sys.executable, "make_personal_data.py"], cwd=tmp_path, check=True)
    assert (tmp_path / "personal_data.jsonl").read_bytes() == (DATA / "personal_data.jsonl").read_bytes()


def test_the_fixture_is_large_and_its_negatives_hold_nothing() -> None:
    negatives = [row for row in ROWS if row["row"].startswith("negative")]
    assert len(ROWS) >= 450
    assert len(negatives) >= 150
    assert not any(row["spans"] for row in negatives)
    assert {row["language"] for row in ROWS} == {"en", "de", "fr", "es"}


def test_a_fresh_measurement_equals_the_published_scores() -> None:
    assert {section: measured(section) for section in ("main", "obfuscated")} == {
        section: SCORES[section] for section in ("main", "obfuscated")
    }
    assert SCORES["rows"] == sum(row["section"] == "main" for row in ROWS)


@pytest.mark.parametrize("kind", CHECKED)
def test_each_checked_kind_meets_its_floor(kind: str) -> None:
    scores = SCORES["main"][kind]
    assert scores["labelled"] >= 25
    assert scores["recall"] >= 0.99
    assert scores["precision"] >= 0.95


def test_names_and_handles_are_measured_too() -> None:
    assert SCORES["main"]["NAME"]["labelled"] >= 25
    assert SCORES["main"]["HANDLE"]["labelled"] >= 25


def test_scoring_wants_the_kind_right_and_the_span_whole() -> None:
    text = "a@example.org and 192.0.2.7"
    rows = [(text, [], [(0, 13, "EMAIL"), (18, 27, "PHONE")]), (text, [], [(0, 15, "EMAIL")])]
    scores = score(rows, find_personal_data)
    assert (scores["EMAIL"]["recall"], scores["EMAIL"]["precision"]) == (0.5, 1.0)
    assert (scores["PHONE"]["recall"], scores["PHONE"]["precision"]) == (0.0, None)
    assert (scores["IP"]["recall"], scores["IP"]["precision"]) == (None, 0.0)


def test_nothing_is_left_and_redacting_again_changes_nothing() -> None:
    for row in ROWS:
        (once,), _ = redact_conversation([row["text"]], row["names"])
        assert not personal_data_left(once), row["row"]
        assert redact_conversation([once], row["names"]) == ([once], {}), row["row"]


def test_a_closed_gate_hides_nothing() -> None:
    for row in ROWS:
        plain = plain_form(row["text"])
        view, opened = View(plain, plain.lower()), open_gates(plain)
        for gate in set(FINDERS) - set(opened):
            assert [finding for find in FINDERS[gate] for finding in find(view)] == [], (row["row"], gate)


def test_the_spans_that_are_scored_are_those_that_are_replaced() -> None:
    for row in ROWS:
        text, spans = row["text"], redacted_spans(row["text"], row["names"], find_personal_data)
        (redacted,), counts = redact_conversation([text], row["names"])
        assert len(spans) == sum(counts.values()), row["row"]
        for start, end, _ in spans:
            text = text[:start] + "\0" * (end - start) + text[end:]
        assert [piece for piece in text.split("\0") if piece] == pieces_of(redacted, row["text"]), row["row"]


def pieces_of(redacted: str, text: str) -> list[str]:
    from tasks.core.privacy.placeholders import PLACEHOLDER

    typed = set(PLACEHOLDER.findall(text))
    for placeholder in set(PLACEHOLDER.findall(redacted)) - typed:
        redacted = redacted.replace(placeholder, "\0")
    return [piece for piece in redacted.split("\0") if piece]


def test_what_is_known_from_one_place_is_replaced_where_nothing_introduces_it() -> None:
    texts, counts = redact_conversation(
        [
            "The locker for parcel PK4440 is shut.",
            "Hold the code of PK4440 there. PK44401 is not it, nor XPK4440.",
        ]
    )
    assert texts == [
        "The locker for parcel <ORDER_1> is shut.",
        "Hold the code of <ORDER_1> there. PK44401 is not it, nor XPK4440.",
    ]
    assert counts == {"ORDER": 2}


def test_a_password_that_is_a_word_is_left_where_it_is_only_a_word() -> None:
    texts, counts = redact_conversation(["My password: welcome", "You are welcome, and welcome again."])
    assert texts == ["My password: <SECRET_1>", "You are welcome, and welcome again."]
    assert counts == {"SECRET": 1}


def test_many_values_are_looked_for_in_linear_time() -> None:
    text = " ".join(f"order {number}," for number in range(100_000, 107_000))
    assert takes_linear_time(text)


def test_equal_values_have_one_placeholder_in_all_texts() -> None:
    texts, counts = redact_conversation(
        [
            "Call +49 (0)30 23125-123 or write to Max.Muster@example.org.",
            "I called 0049 30 23125123, and wrote to <max.muster@EXAMPLE.org> and max.muster (at) example (dot) org.",
            "IBAN DE89 3704 0044 0532 0130 00 = de89370400440532013000, from 2001:db8::1 = 2001:DB8:0:0:0:0:0:1",
        ]
    )
    assert texts == [
        "Call <PHONE_1> or write to <EMAIL_1>.",
        "I called <PHONE_1>, and wrote to <EMAIL_1> and <EMAIL_1>.",
        "IBAN <IBAN_1> = <IBAN_1>, from <IP_1> = <IP_1>",
    ]
    assert counts == {"PHONE": 2, "EMAIL": 3, "IBAN": 2, "IP": 2}


def test_a_placeholder_that_a_user_typed_stays_and_its_number_is_not_given_again() -> None:
    texts, counts = redact_conversation(
        ["<EMAIL_1> and <EMAIL_3> failed", "so did a@example.org, b@example.org"]
    )
    assert texts == ["<EMAIL_1> and <EMAIL_3> failed", "so did <EMAIL_2>, <EMAIL_4>"]
    assert counts == {"EMAIL": 2}


@pytest.mark.parametrize(
    "text",
    [
        "<EMAIL_<EMAIL_1>>",
        "<<<EMAIL_1>>>",
        "<EMAIL_1",
        "<EMAIL_99999999999>",
        "password: <SECRET_1>",
        "<ORDER_1>23",
    ],
)
def test_odd_placeholders_break_nothing(text: str) -> None:
    once, _ = redact(f"{text} a@example.org")
    assert redact(once) == (once, {})


def test_of_a_link_only_what_is_secret_goes() -> None:
    text = "https://me:pw1@host.example/a?product=mail&token=abc&v=128 and https://example.org/help?lang=de"
    assert redact(text) == (
        "https://<URL_1>@host.example/a?product=mail&token=<URL_2>&v=128 and https://example.org/help?lang=de",
        {"URL": 2},
    )


def test_of_a_reference_the_word_stays() -> None:
    assert redact("order #PK1234, Kundennummer 123456")[0] == "order #<ORDER_1>, Kundennummer <ORDER_2>"


def test_known_names_are_replaced_as_whole_words() -> None:
    names = ["Anna Hollerbusch", "quill77", "support", "Bo"]
    texts, counts = redact_conversation(
        [
            "Anna here, thanks @quill77! Bo, the support says: banana.",
            "Dear Ms HOLLERBUSCH, quill778 is not Quill77.",
        ],
        names,
    )
    assert texts == [
        "<NAME_1> here, thanks <NAME_2>! Bo, the support says: banana.",
        "Dear Ms <NAME_1>, quill778 is not <NAME_2>.",
    ]
    assert counts == {"NAME": 4}


@pytest.mark.parametrize("name", ["admin", "12345", "ab", "", "---", "the"])
def test_who_is_nobody_is_not_replaced(name: str) -> None:
    text = f"the admin of 12345 said ab --- {name}"
    assert redact_conversation([text], [name]) == ([text], {})


def test_check_digits_are_checked() -> None:
    assert is_card("4111111111111111")
    assert not is_card("4111111111111112")
    assert not is_card("1234567812345670")  # Luhn's sum holds, no scheme begins so
    assert is_iban("DE89370400440532013000")
    assert not is_iban("DE88370400440532013000")
    assert not is_iban("DE8937040044053201300")
    assert LENGTHS["NO"] == 15
    assert LENGTHS["MT"] == 31


@pytest.mark.parametrize(
    "shape", ["0030", "+", "12", ".", "\N{ARABIC-INDIC DIGIT FOUR}", "\ud800", "\0", "İ", "ſ"]
)
def test_text_of_any_characters_is_read(shape: str) -> None:
    draw = random.Random(repr(shape))
    text = "".join(draw.choice(["a", "@", ".", ":", " ", "1", shape]) for _ in range(2000))
    once, _ = redact(text)
    assert redact(once) == (once, {})


@pytest.mark.parametrize(
    "piece",
    [
        "a@", "@ab.cd", "a at b dot c ", "1", "1 ", "1.2.3.4 ", "4111 ", "0171 ", "+1", ":", "f:", "::1", "DE89 3704 ", "eyJ",
        "-sk-", "aA1", "password:", "password is ", "password a ", "token=", "key: ", "code ", "order 1", "order 12345, ",
        "://a", "?a=", "&token=a", "%3f", "<EMAIL_", "-----BEGIN ", "curl -u ", "bearer ", '"', "phrase: abc ", "tel ", "\n1",
        "<a@b.de>", "(212) ", "basic QQ ",
    ],
)  # fmt: skip
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = (piece * LONG)[:LONG]
    assert takes_linear_time(text)


def takes_linear_time(text: str) -> bool:
    """Compare a text with its first quarter: if time grew with the square, the whole would take sixteen times as long."""
    whole, quarter = (min(seconds_for(part) for _ in range(2)) for part in (text, text[: len(text) // 4]))
    return whole < max(8 * quarter, 0.25)


def seconds_for(text: str) -> float:
    before = time.process_time()
    redact(text)
    return time.process_time() - before


def test_presidio_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    from tasks.core.privacy import presidio_finding

    presidio_finding.recognizers.cache_clear()
    with pytest.raises(SettingsError, match=r"pip install 'freshtune\[presidio\]'"):
        redact_conversation(["a@example.org"], redactor="presidio")


def test_another_presidio_cleans_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for number in ("2.2.1", "2.2.2"):
        monkeypatch.setattr("tasks.core.settings.words.version", lambda _name, number=number: number)
        keys.append(CleaningSettings(redactor="presidio").in_key())
    assert keys[0] != keys[1]
    assert "presidio" not in CleaningSettings().in_key()
