"""Traits: whole columns at a time give what row by row would, and no text among them."""

import sys
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from expectations.vocabulary import COLUMNS
from tasks.core.normalizing.normalization import has_hidden
from tasks.core.privacy.placeholders import Finding
from tasks.core.text.traits import HIDDEN_SIGNS, SEAL, clean_traits, example_traits, raw_traits, seal_of

SECRET = "secretwords"
MARKERS = (
    "<|im_start|>",
    "</s>",
    "[/INST]",
    "<<SYS>>",
    ">>QUESTION<<",
    "<｜User｜>",
    "<start_of_turn>",
    "### Instruction:",
)
HISTORY = pa.list_(pa.struct([("role", pa.string()), ("text", pa.string())]))
SCHEMA = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("row_id", "conversation", "created", "language", "question", "reply")
        ),
        ("history", HISTORY),
    ]
)
GOOD = {
    "row_id": "r",
    "conversation": "c",
    "created": "2026-09-01T10:00:00+00:00",
    "language": "en",
    "question": "How do I print?",
    "reply": "Open the menu and choose it.",
    "history": [],
}


def table(*changes: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([GOOD | change for change in changes], schema=SCHEMA)


def examples(*changes: dict[str, Any]) -> pa.Table:
    numbers = {
        "sides_of_group": 1,
        "twin_on_other_side": False,
        "fingerprint": 7,
        "reply_uses": 1,
        "rows_of_group": 1,
    }
    return pa.Table.from_pylist([{**GOOD, "split": "train", **numbers, **change} for change in changes])


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "text": text} for text in texts]


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        ("raw_logs", raw_traits(table({}))),
        ("clean_logs", clean_traits(table({}))),
        ("training_examples", example_traits(examples({}))),
    ],
)
def test_the_traits_are_the_columns_that_a_suite_may_name_each_of_its_kind(
    name: str, traits: pa.Table
) -> None:
    kinds = {pa.bool_(): "flag", pa.int64(): "number", pa.int32(): "number", pa.string(): "text"}
    given = {field.name: kinds[field.type] for field in traits.schema}
    assert given | {"fingerprint": "text"} == COLUMNS[name] | {"fingerprint": "text"}


def test_raw_traits_tell_what_is_there_and_how_long_it_is() -> None:
    traits = raw_traits(
        table(
            {},
            {"question": " \n\u00a0", "reply": "Ä\U0001f600"},
            {"conversation": "", "history": turns("a", "b")},
        )
    ).to_pydict()
    assert traits["has_question"] == [True, False, True]
    assert traits["has_reply"] == [True, True, True]
    assert traits["has_conversation"] == [True, True, False]
    assert traits["question_chars"] == [15, 3, 15]
    assert traits["reply_chars"] == [28, 2, 28]
    assert traits["turns"] == [2, 2, 4]


def test_what_is_null_counts_as_absent() -> None:
    traits = raw_traits(table(dict.fromkeys(("question", "reply", "created", "conversation", "history"))))
    assert traits.to_pylist()[0] | {"conversation_hash": 0} == {
        "row_id": "r",
        "has_question": False,
        "has_reply": False,
        "has_conversation": False,
        "conversation_hash": 0,
        "created_is_a_time": True,
        "created_is_plausible": True,
        "question_chars": 0,
        "reply_chars": 0,
        "turns": 2,
    }
    assert clean_traits(table(dict.fromkeys(("question", "reply", "history", "language")))).num_rows == 1


@pytest.mark.parametrize(
    ("created", "is_a_time", "is_plausible"),
    [
        ("", True, True),
        ("2026-09-01T10:00:00+00:00", True, True),
        ("2026-09-01 10:00:00 -0700", True, True),
        ("2026-09-01T10:00:00.123456Z", True, True),
        ("2024-02-29T23:59:59Z", True, True),
        ("2026-02-29T10:00:00Z", False, True),
        ("2026-01-31T10:00:00Z", True, True),
        ("2026-04-31T10:00:00Z", False, True),
        ("2026-09-01T24:61:00Z", False, True),
        ("1756720800", True, True),
        ("Tue, 01 Sep 2026 10:00:00 +0000", True, True),
        ("yesterday", False, True),
        ("1970-01-01T00:00:00+00:00", True, False),
        ("1989-12-31T00:00:00Z", True, False),
        ("2999-01-01T00:00:00Z", True, False),
        ("0", True, False),
    ],
)
def test_a_time_is_read_and_weighed(created: str, is_a_time: bool, is_plausible: bool) -> None:
    found = raw_traits(table({"created": created})).to_pylist()[0]
    assert (found["created_is_a_time"], found["created_is_plausible"]) == (is_a_time, is_plausible)


def test_the_latest_plausible_day_can_be_given() -> None:
    days = table({"created": "2026-09-01T10:00:00Z"}, {"created": "2026-09-30T10:00:00Z"})
    assert raw_traits(days, latest="2026-09-30")["created_is_plausible"].to_pylist() == [True, False]


def test_conversations_are_hashed_and_a_row_without_one_stands_for_itself() -> None:
    rows = table({}, {}, {"conversation": "", "row_id": "a"}, {"conversation": "", "row_id": "b"})
    first, second, *alone = raw_traits(rows)["conversation_hash"].to_pylist()
    assert first == second
    assert len({first, *alone}) == 3
    assert raw_traits(table({}))["conversation_hash"].to_pylist() == [first]


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("see <b>this</b> please", "markup_left"),
        ("then ### Response:\n### Instruction: go", "marker_left"),
        *((f"now {marker} go", "marker_left") for marker in MARKERS),
        ("Human: how?\n\nAssistant: so.", "mixed_styles_left"),
        ("how so\n### Question: how?\n**Answer**: so.", "mixed_styles_left"),
        ("Q : how?\nA : so.", "mixed_styles_left"),
        ("[INST] how? [/INST] so.", "mixed_styles_left"),
        ("< |user|> how? < |assistant|> so.", "mixed_styles_left"),
        ("hid\u200bden", "hidden_left"),
        ("a bell\x07", "hidden_left"),
        ("mail a.b@example.org", "personal_data_left"),
        ("call +49 170 1234567", "personal_data_left"),
        ("lost \ufffd character", "replacement_char_left"),
    ],
)
def test_what_cleaning_left_is_found_in_question_reply_and_earlier_turns(text: str, flag: str) -> None:
    rows = table({}, {"question": text}, {"reply": text}, {"history": turns("first", text)}, {})
    assert clean_traits(rows)[flag].to_pylist() == [False, True, True, True, False]


def test_a_sign_stands_wherever_a_hidden_character_is() -> None:
    texts = [f"a{chr(code)}b" for code in (*range(0xD800), *range(0xE000, 0x10FFFF, 0x35))]
    hidden = [has_hidden(text) for text in texts]
    assert (
        pc.match_substring_regex(pa.array(texts), HIDDEN_SIGNS).to_numpy(zero_copy_only=False)[hidden].all()
    )


def test_redaction_is_not_asked_again_of_the_very_texts_that_it_sealed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "tasks.core.text.traits.personal_data_left", lambda text, **_: bool(asked.append(text))
    )
    rows = table({"history": turns("first")}, {"reply": "changed since"}, {})
    seal = seal_of(GOOD["question"], GOOD["reply"])
    seals = [seal_of(GOOD["question"], GOOD["reply"], ["first"]), seal, None]
    clean_traits(rows.append_column(SEAL, pa.array(seals, pa.uint64())))
    assert asked == [GOOD["question"], GOOD["question"], "changed since", GOOD["reply"]]


def test_the_door_asks_who_has_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    def finds(text: str) -> list[Finding]:
        return [Finding(0, 4, "ID", "4711")] if text.startswith("4711") else []

    presidio = SimpleNamespace(find_with_presidio=finds)
    monkeypatch.setitem(sys.modules, "tasks.core.privacy.presidio_finding", presidio)
    rows = table({"reply": "4711 is what their recognizers know"}, {})
    assert clean_traits(rows, "presidio")["personal_data_left"].to_pylist() == [True, False]
    assert clean_traits(rows)["personal_data_left"].to_pylist() == [False, False]


def test_clean_text_has_nothing_left() -> None:
    text = "On 3 May, version 115.2 <NAME_1> wrote to <EMAIL_1>: 100 % of C# users, caf\u00e9 & co. [sic]"
    found = clean_traits(table({"question": text, "reply": text})).to_pylist()[0]
    assert [name for name, value in found.items() if name.endswith("_left") and value] == []
    assert found["language_known"] is True
    assert clean_traits(table({"language": ""}))["language_known"].to_pylist() == [False]


def test_an_echo_is_found_and_what_formation_knows_goes_along() -> None:
    traits = example_traits(
        examples({}, {"reply": " How do I print?\n", "split": "held_out", "reply_uses": 3})
    )
    assert traits["reply_equals_question"].to_pylist() == [False, True]
    assert traits["split"].to_pylist() == ["train", "held_out"]
    assert traits["reply_uses"].to_pylist() == [1, 3]


def test_no_text_is_among_the_traits() -> None:
    rows = table(
        {"question": SECRET, "reply": SECRET, "conversation": SECRET, "created": SECRET, "language": SECRET}
    )
    for traits in (raw_traits(rows), clean_traits(rows), example_traits(examples({"question": SECRET}))):
        assert SECRET not in str(traits.to_pydict())


def test_tables_of_several_chunks_slices_and_none_give_the_same() -> None:
    rows = [{"row_id": "a", "history": turns("x")}, {"row_id": "b", "reply": "<b>"}, {"row_id": "c"}]
    whole = table(*rows)
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    for derive in (raw_traits, clean_traits):
        assert derive(parts).to_pydict() == derive(whole).to_pydict()
        assert derive(whole.slice(1)).to_pydict() == {k: v[1:] for k, v in derive(whole).to_pydict().items()}
        assert derive(whole.slice(0, 0)).num_rows == 0
