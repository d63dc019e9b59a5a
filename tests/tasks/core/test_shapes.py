"""The shape of a log is what its settings say, or what its columns say beyond doubt, and is shown; else it is asked for."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import DataError, FreshtuneError, SettingsError
from tasks.core.intake.shapes import Shape, resolve_shape
from tasks.core.intake.templates import columns_of, fill_parts
from tasks.core.intake.times import iso_time, parse_time
from tasks.core.intake.values import Unfit
from tasks.core.settings import Fields, LogsSettings, Outcome, Turns

Records = list[dict[str, Any]]
ASKED = {"role": "user", "content": "How?"}
ANSWERED = {"role": "assistant", "content": "So."}


def said(records: Sequence[dict[str, Any]], **logs: Any) -> str:
    return resolve_shape(records, LogsSettings(**logs), "a.jsonl")[1]


def shape_of(records: Sequence[dict[str, Any]], **logs: Any) -> Shape:
    return resolve_shape(records, LogsSettings(**logs), "a.jsonl")[0]


def refusal(records: Sequence[dict[str, Any]], **logs: Any) -> str:
    with pytest.raises(FreshtuneError) as caught:
        resolve_shape(records, LogsSettings(**logs), "a.jsonl")
    return str(caught.value)


COLUMNS = {
    "subject body reply": "question = subject + body, reply = reply",
    "body reply": "question = body, reply = reply",
    "subject reply": "question = subject, reply = reply",
    "subject description reply": "question = subject + description, reply = reply",
    "title body reply": "question = title + body, reply = reply",
    "question answer": "question = question, reply = answer",
    "prompt completion": "question = prompt, reply = completion",
    "instruction input output": "question = instruction + input, reply = output",
    "instruction response category": "question = instruction, reply = response",
    "query response": "question = query, reply = response",
    "input output": "question = input, reply = output",
    "text target": "question = text, reply = target",
    "user assistant": "question = user, reply = assistant",
    "customer_message agent_reply": "question = customer_message, reply = agent_reply",
    "customerMessage agentReply": "question = customerMessage, reply = agentReply",
    "Question Agent-Response": "question = Question, reply = Agent-Response",
    "title text answer": "question = title + text, reply = answer",
    "subject body answer priority": "question = subject + body, reply = answer",
}


@pytest.mark.parametrize(("columns", "read"), COLUMNS.items())
def test_well_known_columns_are_found_and_shown(columns: str, read: str) -> None:
    record = dict.fromkeys(columns.split(), "words")
    assert said([record]) == f"Read as columns: {read}, each row is a conversation of its own."


def test_what_is_known_about_a_conversation_is_found_too() -> None:
    record = {"Ticket ID": 7, "Created At": "2025-03-01", "Locale": "en", "customer_id": 3, "responder": "Bo"}
    shape = shape_of([{**record, "question": "q", "answer": "a"}])
    assert (shape.id, shape.created, shape.language) == ("Ticket ID", "Created At", "Locale")
    assert (shape.requester, shape.agent, shape.product) == ("customer_id", "responder", "")


def test_a_column_that_holds_no_times_is_not_taken_for_the_time() -> None:
    shape = shape_of([{"question": "q", "answer": "a", "timestamp": "18:05", "date": "2025-03-01"}])
    assert shape.created == "date"


def test_set_columns_count_before_those_that_are_well_known() -> None:
    fields = Fields(id="nr", question=("frage",), reply="antwort", language="sprache")
    record = {
        "nr": "1",
        "frage": "q",
        "antwort": "a",
        "question": "x",
        "answer": "y",
        "messages": [ASKED, ANSWERED],
    }
    sentence = said([record], fields=fields)
    assert sentence.startswith("Read as columns: question = frage, reply = antwort, conversation = nr")
    assert sentence.endswith("Not in the records looked at: sprache.")


def test_default_columns_count_before_a_list_of_turns() -> None:
    record = {"body": "q", "reply": "a", "messages": [ASKED, ANSWERED]}
    assert shape_of([record]).kind == "columns"
    assert shape_of([record], shape="turns").kind == "turns"
    assert shape_of([record], turns=Turns(column="messages")).kind == "turns"


def test_a_default_column_of_another_kind_is_not_taken() -> None:
    record = {"body": {"html": "q"}, "question": "q", "answer": "a", "requester": {"id": 1}, "user_id": 4}
    shape = shape_of([record])
    assert (shape.question, shape.requester) == (("question",), "user_id")


def test_a_few_bad_rows_hide_no_column() -> None:
    good = {"id": 1, "question": "q", "answer": "a", "language": "en"}
    shape = shape_of([good, {"id": [], "question": 7, "answer": ["a"], "language": {}}, good])
    assert (shape.id, shape.question, shape.reply, shape.language) == (
        "id",
        ("question",),
        "answer",
        "language",
    )
    turns = [
        {**ASKED, "private": False},
        {**ANSWERED, "private": False},
        {"role": 7, "content": 8, "private": "x"},
    ]
    assert shape_of([{"messages": turns}, {"messages": "words"}, {"messages": [7]}]).hidden == "private"


TURNS: dict[str, tuple[Records, str]] = {
    "chat format": (
        [{"messages": [{"role": "system", "content": "Be kind."}, ASKED, ANSWERED]}],
        "turns in messages: role = role, text = content",
    ),
    "from and value": (
        [{"conversations": [{"from": "human", "value": "How?"}, {"from": "gpt", "value": "So."}]}],
        "turns in conversations: role = from, text = value",
    ),
    "any column": (
        [{"xyz": [ASKED, ANSWERED], "tags": [{"name": "a"}]}],
        "turns in xyz: role = role, text = content",
    ),
    "as JSON text": (
        [{"turns": '[{"speaker": "Customer", "text": "How?"}, {"speaker": "Agent", "text": "So."}]'}],
        "turns in turns: role = speaker, text = text",
    ),
    "one key each": (
        [{"thread": [{"user": "How?"}, {"assistant": "So."}]}],
        "turns in thread: role = the keys' names",
    ),
    "two keys each": (
        [{"thread": [{"agent": "So.", "customer": "How?"}]}],
        "turns in thread: role = the keys' names",
    ),
    "direction": (
        [{"comments": [{"direction": "inbound", "body": "How?"}, {"direction": "outbound", "body": "So."}]}],
        "turns in comments: role = direction, text = body",
    ),
    "a flag": (
        [{"comments": [{"is_agent": False, "body": "How?"}, {"is_agent": True, "body": "So."}]}],
        "turns in comments: role = is_agent, text = body",
    ),
    "the requester's id": (
        [
            {
                "requester_id": 7,
                "comments": [{"author_id": 7, "body": "How?"}, {"author_id": 9, "body": "So."}],
            }
        ],
        "turns in comments: role = author_id (the requester's own name asks), text = body",
    ),
    "two keys that agree": (
        [{"thread": [{**ASKED, "type": "customer"}, {**ANSWERED, "type": "agent"}]}],
        "turns in thread: role = role, text = content",
    ),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_list_of_turns_is_found_with_its_keys(name: str) -> None:
    records, read = TURNS[name]
    assert said(records).startswith(f"Read as {read}")


MESSAGES: dict[str, tuple[Records, str]] = {
    "a role": (
        [{"ticket_id": 1, "author_type": kind, "body": "words"} for kind in ("customer", "agent")],
        "role = author_type, text = body, conversation = ticket_id",
    ),
    "a flag as text": (
        [{"thread_id": "t", "from_customer": flag, "text": "words"} for flag in ("true", "false")],
        "role = from_customer, text = text, conversation = thread_id",
    ),
    "a nick": (
        [{"thread_id": "t", "requester": "bo", "nick": nick, "text": "words"} for nick in ("bo", "al")],
        "role = nick (the requester's own name asks), text = text, speaker = nick, conversation = thread_id",
    ),
    "a role and a name": (
        [{"case_id": 1, "role": role, "author": "Bo", "message": "words"} for role in ("user", "staff")],
        "role = role, text = message, speaker = author, conversation = case_id",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_rows_that_are_messages_are_found(name: str) -> None:
    records, read = MESSAGES[name]
    assert said(records).startswith(f"Read as messages: {read}")


def test_messages_whose_keys_are_roles_are_read_when_asked_for() -> None:
    records: Records = [{"thread_id": 1, "customer": "How?"}, {"thread_id": 1, "agent": "So."}]
    assert shape_of(records, shape="messages").role_by == "key"


def test_the_time_of_turns_is_found_where_it_is_one() -> None:
    timed = [{**turn, "created_at": "2025-03-01T10:00:00Z", "time": "10:00"} for turn in (ASKED, ANSWERED)]
    assert shape_of([{"messages": timed}]).time == "created_at"


def test_internal_notes_are_found_and_shown() -> None:
    turns = [{**ASKED, "public": True}, {**ANSWERED, "public": False}]
    assert "without what is marked public = false" in said([{"messages": turns}])


def test_the_accepted_key_is_found_only_where_it_is_wanted() -> None:
    records: Records = [{"messages": [ASKED, {**ANSWERED, "is_solution": True}]}]
    assert shape_of(records).accepted == ""
    assert shape_of(records, turns=Turns(take="accepted")).accepted == "is_solution"


def test_roles_that_are_set_replace_the_known_ones() -> None:
    records: Records = [{"chat": [{"wer": "kunde", "text": "How?"}, {"wer": "berater", "text": "So."}]}]
    shape = shape_of(records, turns=Turns(role="wer", requester=("Kunde",), agent=("Berater",)))
    assert (shape.requester_roles, shape.agent_roles) == (("kunde",), ("berater",))


def test_a_known_role_can_be_set_to_the_other_side() -> None:
    shape = shape_of(
        [{"messages": [ASKED, ANSWERED]}], turns=Turns(agent=("user",), requester=("assistant",))
    )
    assert shape.agent_roles == ("user",)
    assert (
        "user"
        not in shape_of([{"messages": [ASKED, ANSWERED]}], turns=Turns(agent=("user",))).requester_roles
    )


TWO = [{"question": "q", "answer": "a", "messages": [ASKED, ANSWERED]}]
DOUBTS: dict[str, tuple[Any, ...]] = {
    "two replies": (
        [{"question": "q", "answer": "a", "response": "b"}],
        "a.jsonl could hold the reply in answer or response.",
        "Say which it is, for example with --set logs.fields.reply=answer.",
    ),
    "two questions": (
        [{"question": "q", "prompt": "p", "answer": "a"}],
        "a.jsonl could hold the question in question or prompt.",
        "Say which it is, for example with --set 'logs.fields.question=[question]'.",
    ),
    "two texts beside a subject": (
        [{"subject": "s", "text": "t", "message": "m", "reply": "a"}],
        "could hold the question in text or message.",
    ),
    "two ids that differ": (
        [{"ticket_id": 1, "case_id": 2, "question": "q", "answer": "a"}],
        "could hold the conversation's id in ticket_id or case_id.",
        "Say which it is, for example with --set logs.fields.id=ticket_id.",
    ),
    "columns and turns": (
        TWO,
        "a.jsonl can be read as columns and as turns.",
        "Say which it is with --set logs.shape=columns or --set logs.shape=turns.",
    ),
    "unclear columns and turns": (
        [{**TWO[0], "response": "b"}],
        "a.jsonl can be read as columns and as turns.",
    ),
    "two lists": (
        [{"x": [ASKED, ANSWERED], "y": [ASKED, ANSWERED]}],
        "could hold the turns in x or y. Say which it is, for example with --set logs.turns.column=x.",
    ),
    "two roles that differ": (
        [{"chat": [{**ASKED, "type": "agent"}, {**ANSWERED, "type": "customer"}]}],
        "could hold who speaks in role or type. Say which it is, for example with --set logs.turns.role=role.",
    ),
    "two texts of a turn": (
        [{"chat": [{**ASKED, "text": "x"}, ANSWERED]}],
        "could hold what is said in content or text.",
        "Say which it is, for example with --set logs.turns.text=content.",
    ),
    "nothing known": (
        [{"a": 1, "b": [1, 2]}],
        "a.jsonl has no column known to hold the question or the reply; its columns are a, b. Say which they are with",
        "--set 'logs.fields.question=[COLUMN]' and --set logs.fields.reply=COLUMN, or which holds",
        "with --set logs.turns.column=COLUMN.",
    ),
    "no reply": (
        [{"question": "q", "b": "x"}],
        "has no column known to hold the reply; its columns are b, question.",
        "Say which it is with --set logs.fields.reply=COLUMN.",
    ),
    "no question": (
        [{"answer": "q", "b": "x"}],
        "has no column known to hold the question; its columns are answer, b.",
        "Say which it is with --set 'logs.fields.question=[COLUMN]'.",
    ),
    "unknown agents": (
        [{"chat": [ASKED, {"role": "berater", "content": "So."}]}],
        "says in role who speaks, but none of its 2 values is known to mean who answers.",
        "Say which do with --set 'logs.turns.agent=[VALUE]'.",
    ),
    "no role": (
        [{"chat": [{"x": "How?", "y": "So."}]}],
        "does not say in a known way who speaks; its turns have x, y.",
        "Say where it does with --set logs.turns.role=KEY.",
    ),
    "names, not roles": (
        [{"chat": [{"customer": "Ann", "agent": "Bo", "text": "How?"}]}],
        "does not say in a known way who speaks; its turns have agent, customer, text.",
    ),
    "no text": (
        [{"chat": [{"role": "user", "x": "How?"}, {"role": "assistant", "x": "So."}]}],
        "has no column known to hold what is said; its columns are role, x.",
        "Say which it is with --set logs.turns.text=KEY.",
    ),
    "messages without an id": (
        [{"id": 1, "role": "user", "text": "How?"}, {"id": 2, "role": "agent", "text": "So."}],
        "has no column known to hold the conversation's id; its columns are id, role, text.",
        "Say which it is with --set logs.fields.id=COLUMN.",
    ),
    "no records": ([], "a.jsonl has no record with columns."),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_is_in_doubt_is_refused_with_its_cure(name: str) -> None:
    records, *parts = DOUBTS[name]
    message = refusal(records)
    assert [part for part in parts if part not in message] == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "reply": (
        {"fields": Fields(reply="answer")},
        "has no column answer; its columns are body, reply, subject.",
    ),
    "reply's cure": (
        {"fields": Fields(reply="answer")},
        "Say which it is with --set logs.fields.reply=COLUMN.",
    ),
    "question": ({"fields": Fields(question=("title", "body"))}, "no column title;"),
    "question's cure": ({"fields": Fields(question=("title",))}, "--set 'logs.fields.question=[COLUMN]'."),
    "template": ({"fields": Fields(reply="{reply} {sign}")}, "no column sign;"),
    "id": (
        {"fields": Fields(id="nr")},
        "no column nr; its columns are body, reply, subject. Say which it is with",
    ),
    "requester": ({"fields": Fields(requester="who")}, "--set logs.fields.requester=COLUMN."),
    "turns": ({"turns": Turns(column="chat")}, "no column chat;"),
    "no turns": ({"turns": Turns(column="body")}, "has no list of turns in body. Say where it is with"),
    "contradiction": (
        {"fields": Fields(reply="body"), "turns": Turns(column="chat")},
        "Say which counts with --set logs.shape=columns or --set logs.shape=turns.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_does_not_fit_is_named(name: str) -> None:
    logs, words = WRONG[name]
    assert words in refusal([{"subject": "s", "body": "b", "reply": "r"}], **logs)


def test_wrong_keys_of_turns_are_named() -> None:
    records: Records = [{"messages": [ASKED, ANSWERED]}]
    assert "has no wer in its turns; its turns have content, role." in refusal(
        records, turns=Turns(role="wer")
    )
    assert "--set logs.turns.text=KEY." in refusal(records, turns=Turns(text="words"))
    assert "--set logs.turns.time=KEY." in refusal(records, turns=Turns(time="when"))
    assert "--set logs.turns.accepted=KEY." in refusal(records, turns=Turns(take="accepted"))


def test_a_role_on_both_sides_is_refused() -> None:
    turns = Turns(requester=("user", "x"), agent=("X",))
    with pytest.raises(SettingsError, match="share a role"):
        resolve_shape([{"messages": [ASKED, ANSWERED]}], LogsSettings(turns=turns), "a.jsonl")


def test_names_in_a_message_are_few_short_and_printable() -> None:
    record = {f"{number:02}" + "x" * 100: "words" for number in range(50)} | {"00\x1b[31m": "words"}
    message = refusal([record])
    assert len(message) < 1200
    assert "x" * 39 not in message
    assert "\x1b" not in message
    assert message.count(", ") < 23


def test_values_never_reach_a_message() -> None:
    for records in ([{"a": "secret"}], [{"chat": [{"role": "secret", "content": "secret"}] * 2}]):
        assert "secret" not in refusal(records)


def test_only_the_beginning_of_many_records_decides() -> None:
    records: Records = [{"question": "q", "answer": "a"}] * 1000 + [{"sprache": "de", "answer": 7}]
    shape = shape_of(records, fields=Fields(language="sprache"), outcome=Outcome(csat="csat"))
    assert (shape.reply, shape.language, shape.csat) == ("answer", "sprache", "csat")


def test_a_shape_is_frozen_and_travels_as_json() -> None:
    shape = shape_of([{"messages": [ASKED, ANSWERED]}])
    assert Shape.model_validate_json(shape.model_dump_json()) == shape
    with pytest.raises(ValueError, match="frozen"):
        shape.kind = "columns"  # type: ignore[misc]


NAMES = (
    *(
        "id",
        "ticket_id",
        "question",
        "answer",
        "subject",
        "body",
        "reply",
        "messages",
        "role",
        "content",
        "from",
    ),
    *("value", "customer", "agent", "is_agent", "nick", "requester", "created", "time", "public"),
)
KEYS = st.sampled_from(NAMES) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
RECORDS = st.lists(st.dictionaries(KEYS, JSON, max_size=5), max_size=4)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.sampled_from(("auto", "columns", "turns", "messages")))
def test_any_records_have_a_shape_or_are_refused(records: Records, shape: str) -> None:
    try:
        found = resolve_shape(records, LogsSettings.model_validate({"shape": shape}), "a.jsonl")[1]
    except DataError as error:
        found = error.cure
    assert re.search(r"Read as|--set '?logs\.|Leave it out", found)


FILLED = {
    "{subject}: {body}": "Hi: How?",
    "{subject} {gone}": "Hi",
    "{gone}: {subject}": "Hi",
    "{subject} ({gone})": "Hi",
    "{subject}, {gone}, {body}": "Hi, How?",
    "{subject}\n\n{gone}\n\n{body}": "Hi\n\nHow?",
    "{subject}\nPhone: {gone}\n{body}": "Hi\nHow?",
    "{gone}\n\n{blank}\n\n{body}\n\n{gone}": "How?",
    "{{{subject}}}": "{Hi}",
    "Ticket\n{subject}": "Ticket\nHi",
    "Ticket {gone}\n{blank}": "",
}


@pytest.mark.parametrize(("template", "text"), FILLED.items())
def test_a_template_is_filled_and_what_is_missing_leaves_no_trace(template: str, text: str) -> None:
    record = {"subject": "Hi", "body": "How?", "gone": None, "blank": " "}
    assert fill_parts(record, [template], "question") == text


@pytest.mark.parametrize(
    "template", ["{a.b}", "{a[0]}", "{}", "{0}", "{a!r}", "{a:>9}", "{a", "a}", "{{a}}", "{a{b}}", "{a:{b}}"]
)
def test_a_template_holds_plain_names_only(template: str) -> None:
    with pytest.raises(SettingsError) as caught:
        columns_of(template)
    assert "{subject}" in caught.value.cure


def test_a_template_of_other_things_than_text_is_unfit() -> None:
    with pytest.raises(Unfit):
        fill_parts({"a": ["x"]}, ["{a}"], "question")
    with pytest.raises(Unfit):
        fill_parts({"a": "x" * 2**20}, ["{a}{a}"], "question")


MOMENT = "2025-03-01T00:36:36+00:00"
TIMES: dict[str | float, str] = {
    "2025-03-01 00:36:36 +0000": MOMENT,
    "2025-03-01T00:36:36Z": MOMENT,
    "2025-03-01 00:36:36": MOMENT,
    "2025-03-01 00:36:36 UTC": MOMENT,
    "2025/03/01 00:36:36": MOMENT,
    "2025-02-28T19:36:36-05:00": MOMENT,
    "2025-02-28 19:36:36 -0500": MOMENT,
    "Sat, 01 Mar 2025 00:36:36 +0000": MOMENT,
    "Sat Mar 01 00:36:36 +0000 2025": MOMENT,
    "20250301003636": MOMENT,
    "1740789396": MOMENT,
    1740789396: MOMENT,
    1740789396000: MOMENT,
    "1740789396500": "2025-03-01T00:36:36.500000+00:00",
    "2025-03-01": "2025-03-01T00:00:00+00:00",
    "20250301": "2025-03-01T00:00:00+00:00",
    "2025-03-01T00:36": "2025-03-01T00:36:00+00:00",
    "2025-W09-6T00:36:36": MOMENT,
    0: "1970-01-01T00:00:00+00:00",
    "2999-01-01": "2999-01-01T00:00:00+00:00",
    "03/04/2025": "03/04/2025",
    "18:05": "18:05",
    "yesterday": "yesterday",
    "may be": "may be",
    "2025-13-01": "2025-13-01",
    float("inf"): "inf",
    "": "",
}


@pytest.mark.parametrize(("written", "read"), TIMES.items())
def test_times_are_read_into_utc_and_other_text_is_kept(written: str | float, read: str) -> None:
    assert iso_time(written) == read


@settings(deadline=None)
@given(st.text(max_size=40) | st.integers() | st.floats() | st.text("0123456789-:T +Z.", max_size=30))
def test_any_value_is_a_time_or_none(value: str | float) -> None:
    moment = parse_time(value)
    assert moment is None or moment.tzinfo is UTC
    if moment is not None:
        assert parse_time(iso_time(value)) == moment


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1971, 1, 1)), st.sampled_from(["T", " "]))  # noqa: DTZ001
def test_iso_times_come_back_as_they_were(moment: datetime, separator: str) -> None:
    assert iso_time(moment.isoformat(separator)) == moment.isoformat()
