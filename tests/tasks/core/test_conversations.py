"""A record becomes rows or a rejection with its rule: who asks and who answers is never mixed up, and nothing raises."""

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.intake.conversations import candidates_of
from tasks.core.intake.exchanges import HISTORY, MAX_TURNS, Message, Row
from tasks.core.intake.messages import message_of, thread
from tasks.core.intake.outcomes import weight_of
from tasks.core.intake.shapes import Shape, resolve_shape
from tasks.core.intake.values import LONGEST, Rejection
from tasks.core.settings import LogsSettings, Outcome

COLUMNS = Shape(
    kind="columns", id="id", created="created", requester="who", question=("subject", "body"), reply="reply"
)
TURNS = Shape(
    kind="turns",
    id="id",
    requester="who",
    turns="messages",
    role_by="value",
    role="role",
    text="text",
    requester_roles=("user",),
    agent_roles=("agent",),
    take="every",
)
MESSAGES = TURNS.model_copy(update={"kind": "messages", "turns": "", "created": "created"})
LAST = TURNS.model_copy(update={"take": "last"})


def rows(record: dict[str, Any], shape: Shape) -> list[Row]:
    found = candidates_of(record, shape)
    assert [one for one in found if isinstance(one, Rejection)] == []
    return [one for one in found if isinstance(one, dict)]


def rejection(record: dict[str, Any], shape: Shape) -> Rejection:
    (found,) = candidates_of(record, shape)
    assert isinstance(found, Rejection)
    return found


def talk(script: str, **more: Any) -> dict[str, Any]:
    """Write a conversation as `u:How? a:So.`; the letter is the role."""
    names = {"u": "user", "a": "agent", "s": "system", "-": None}
    turns = [{"role": names[said[0]], "text": said[2:]} for said in script.split()]
    return {"id": "7", "who": "ann", "messages": turns, **more}


def read(row: Row) -> str:
    history = " ".join(f"{turn['role'][0]}:{turn['text']}" for turn in row["history"])
    return f"{history} | {row['question']} > {row['reply']}".strip().replace("\n\n", "+")


def test_a_record_of_columns_is_one_canonical_row() -> None:
    record = {
        "id": 7,
        "created": "2025-03-01 10:00:00 +0100",
        "subject": "Hi",
        "body": "How?",
        "reply": "So.",
    }
    assert rows(record, COLUMNS) == [
        {
            "conversation": "7",
            "created": "2025-03-01T09:00:00+00:00",
            "language": "",
            "product": "",
            "requester": "",
            "agent": "",
            "question": "Hi\n\nHow?",
            "reply": "So.",
            "history": [],
            "solved": None,
            "votes": None,
            "csat": None,
            "reopened": None,
            "line": 0,
            "part": 0,
            "left_out": 0,
        }
    ]


def test_what_is_absent_or_null_is_empty_text() -> None:
    (row,) = rows({"subject": None, "reply": None}, COLUMNS)
    assert (row["question"], row["reply"], row["conversation"], row["requester"]) == ("", "", "", "")


LABELS = {7: "7", 8.0: "8", 7.5: "7.5", "x": "x", None: "", float("nan"): "", 2**60: str(2**60)}


@pytest.mark.parametrize(("value", "label"), LABELS.items())
def test_a_number_that_names_something_becomes_text(value: Any, label: str) -> None:
    (row,) = rows({"id": value, "who": value}, COLUMNS)
    assert (row["conversation"], row["requester"]) == (label, label)


UNFIT: dict[str, tuple[dict[str, Any], Rejection]] = {
    "number": ({"reply": 7}, Rejection("wrong_type", "reply is a int where text is expected")),
    "list": ({"subject": ["x"]}, Rejection("wrong_type", "question is a list where text is expected")),
    "flag": ({"body": True}, Rejection("wrong_type", "question is a bool where text is expected")),
    "object": ({"who": {}}, Rejection("wrong_type", "requester is a dict where text is expected")),
    "flag as id": ({"id": False}, Rejection("wrong_type", "conversation is a bool where text is expected")),
    "time": ({"created": [1]}, Rejection("wrong_type", "created is a list where a time is expected")),
    "long": ({"reply": "x" * (LONGEST + 1)}, Rejection("too_long", "reply has more than 1048576 characters")),
    "long together": (
        {"subject": "x" * 600_000, "body": "x" * 600_000},
        Rejection("too_long", "question has more than 1048576 characters"),
    ),
    "endless number": (
        {"id": 10**5000},
        Rejection("too_long", "conversation is a number of thousands of digits"),
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_value_of_another_kind_rejects_the_record(name: str) -> None:
    record, expected = UNFIT[name]
    assert rejection(record, COLUMNS) == expected


def test_the_longest_text_is_kept() -> None:
    assert rows({"reply": "x" * LONGEST}, COLUMNS)


def test_without_an_id_a_conversation_is_named_by_its_texts() -> None:
    shape = COLUMNS.model_copy(update={"id": ""})
    names = [
        rows({"body": body, "reply": reply}, shape)[0]["conversation"] for body, reply in ("ab", "ab", "ba")
    ]
    assert names[0] == names[1] != names[2]
    apart = [
        rows({"body": body, "reply": reply}, shape)[0]["conversation"]
        for body, reply in (("ab", ""), ("a", "b"))
    ]
    assert apart[0] != apart[1]
    assert (
        len(
            {
                row["conversation"]
                for row in rows(talk("u:x a:y u:z a:w"), TURNS.model_copy(update={"id": ""}))
            }
        )
        == 1
    )


def test_half_a_character_is_no_reason_to_raise() -> None:
    assert rows({"body": "\ud800", "reply": "x"}, COLUMNS.model_copy(update={"id": ""}))


TALKS = {
    "u:Q a:A": ["| Q > A"],
    "u:Q a:A u:R a:B": ["| Q > A", "u:Q a:A | R > B"],
    "u:Q u:R a:A a:B": ["| Q+R > A+B"],
    "s:x u:Q s:y a:A s:z": ["| Q > A"],
    "u:Q s:y u:R a:A": ["| Q+R > A"],
    "u:Q a:A u:thanks": ["| Q > A"],
    "u:Q a: u:R a:A": ["| Q+R > A"],
}


@pytest.mark.parametrize(("script", "expected"), TALKS.items())
def test_every_reply_comes_with_its_question_and_history(script: str, expected: list[str]) -> None:
    found = rows(talk(script), TURNS)
    assert [read(row) for row in found] == expected
    assert [row["part"] for row in found] == list(range(len(expected)))
    (last,) = rows(talk(script), LAST)
    assert (read(last), last["part"]) == (expected[-1], len(expected) - 1)


REJECTED = {
    "a:A": "no_question",
    "a:A u:Q a:B": "roles_out_of_order",
    "u:Q": "no_reply",
    "u:Q a:": "no_reply",
    "u: a:A": "no_question",
    "s:x s:y": "unknown_role",
    "u:Q -:x a:A": "unknown_role",
    "": "no_turns",
}


@pytest.mark.parametrize(("script", "rule"), REJECTED.items())
@pytest.mark.parametrize("shape", [TURNS, LAST], ids=["every", "last"])
def test_a_conversation_out_of_order_is_rejected(script: str, rule: str, shape: Shape) -> None:
    found = rejection(talk(script), shape)
    assert found.rule == rule
    assert found.reason


BAD_TURNS: dict[str, tuple[Any, str]] = {
    "absent": (None, "no_turns"),
    "text": ("words", "wrong_type"),
    "a number": (7, "wrong_type"),
    "an object": ({}, "wrong_type"),
    "JSON of no list": ("{}", "wrong_type"),
    "endless JSON": ("[" * 100_000, "wrong_type"),
    "half a character in JSON": ('[{"role": "user", "text": "\\ud800"}]', "not_utf8"),
    "turns of text": (["words"], "wrong_type"),
    "text that is a list": ([{"role": "user", "text": ["x"]}], "wrong_type"),
    "a role that is a list": ([{"role": ["user"], "text": "x"}], "unknown_role"),
    "a long turn": ([{"role": "user", "text": "x" * (LONGEST + 1)}], "too_long"),
    "long turns": (
        [{"role": "user", "text": "x" * 600_000}] * 2 + [{"role": "agent", "text": "y"}],
        "too_long",
    ),
}


@pytest.mark.parametrize("name", BAD_TURNS)
def test_a_list_of_turns_that_is_none_is_rejected(name: str) -> None:
    turns, rule = BAD_TURNS[name]
    assert rejection({"messages": turns}, TURNS).rule == rule


def test_reasons_say_which_turn_and_hold_no_text() -> None:
    found = rejection(
        {"messages": [{"role": "user", "text": "secret"}, {"role": "agent", "text": ["secret"]}]}, TURNS
    )
    assert found.reason == "what turn 2 says is a list where text is expected"
    assert rejection(talk("u:secret -:secret"), TURNS).reason == "turn 2 does not say who speaks"


def test_turns_as_json_text_are_read_like_a_list() -> None:
    text = '[{"role": "user", "text": "Q"}, {"role": "agent", "text": "A"}]'
    assert [read(row) for row in rows({"messages": text}, TURNS)] == ["| Q > A"]


def test_turns_left_out_are_counted_once() -> None:
    found = rows(talk("s:x u:Q s:y a:A u:R a: a:B"), TURNS)
    assert [row["left_out"] for row in found] == [3, 0]


def test_a_million_turns_are_turned_away_at_once() -> None:
    record = {"messages": [{"role": "user", "text": "Q"}] * 1_000_000}
    start = time.process_time()
    assert rejection(record, TURNS).rule == "too_many_turns"
    assert time.process_time() - start < 0.1


def test_the_longest_conversation_stays_small() -> None:
    turns = [{"role": role, "text": "words"} for _ in range(MAX_TURNS // 2) for role in ("user", "agent")]
    start = time.process_time()
    found = rows({"messages": turns}, TURNS)
    assert time.process_time() - start < 5
    assert len(found) == MAX_TURNS // 2
    assert max(len(row["history"]) for row in found) == HISTORY
    assert found[-1]["history"][0]["role"] == "user"


def test_roles_are_read_whatever_their_case() -> None:
    turns = [{"role": "USER ", "text": "Q"}, {"role": "Agent", "text": "A"}]
    assert len(rows({"messages": turns}, TURNS)) == 1


def test_turns_are_ordered_by_their_times_where_each_has_one() -> None:
    shape = TURNS.model_copy(update={"time": "at"})
    turns = [
        {"role": "agent", "text": "A", "at": 1740789397},
        {"role": "user", "text": "Q", "at": "2025-03-01T00:36:36Z"},
    ]
    (row,) = rows({"messages": [*turns, {"role": "system", "text": "s"}]}, shape)
    assert (read(row), row["created"], row["left_out"]) == ("| Q > A", "2025-03-01T00:36:36+00:00", 1)
    assert rejection({"messages": [{**turns[0], "at": "soon"}, turns[1]]}, shape).rule == "roles_out_of_order"


def test_keys_that_are_roles_are_read() -> None:
    shape = TURNS.model_copy(update={"role_by": "key", "role": "", "text": ""})
    turns = [
        {"agent": "A", "user": "Q"},
        {"system": "s"},
        {"user": "R", "agent": None},
        {"agent": "B", "time": 1},
    ]
    found = rows({"messages": turns}, shape)
    assert [read(row) for row in found] == ["| Q > A", "u:Q a:A | R > B"]
    assert found[0]["left_out"] == 1


def test_the_requesters_own_name_asks_and_others_answer() -> None:
    shape = TURNS.model_copy(update={"role_by": "name", "role": "nick", "speaker": "nick", "agent_roles": ()})
    turns = [
        {"nick": nick, "text": text} for nick, text in (("Ann", "Q"), ("bo", "A"), ("cy", "B"), (None, "x"))
    ]
    (row,) = rows({"who": "ann", "messages": turns[:3]}, shape)
    assert (read(row), row["requester"], row["agent"]) == ("| Q > A+B", "ann", "bo")
    assert rejection({"who": "ann", "messages": turns}, shape).rule == "unknown_role"
    assert rejection({"who": "", "messages": turns[:3]}, shape).rule == "unknown_role"
    only_bo = shape.model_copy(update={"agent_roles": ("bo",)})
    assert [read(row) for row in rows({"who": "ann", "messages": turns[:3]}, only_bo)] == ["| Q > A"]


def test_who_speaks_names_requester_and_agent_where_no_column_does() -> None:
    shape = TURNS.model_copy(update={"requester": "", "speaker": "name"})
    turns = [{"role": role, "text": "x", "name": name} for role, name in (("user", "Ann"), ("agent", 9))]
    (row,) = rows({"messages": turns}, shape)
    assert (row["requester"], row["agent"]) == ("Ann", "9")


@pytest.mark.parametrize(("key", "mark", "hidden_if"), [("private", True, True), ("public", "false", False)])
def test_what_the_requester_never_saw_is_left_out(key: str, mark: Any, hidden_if: bool) -> None:
    shape = TURNS.model_copy(update={"hidden": key, "hidden_if": hidden_if})
    turns = [
        {"role": "user", "text": "Q"},
        {"role": "agent", "text": "N", key: mark},
        {"role": "agent", "text": "A"},
    ]
    (row,) = rows({"messages": turns}, shape)
    assert (read(row), row["left_out"]) == ("| Q > A", 1)


def test_of_an_accepted_reply_only_what_is_marked_is_taken() -> None:
    shape = TURNS.model_copy(update={"take": "accepted", "accepted": "best"})
    record = talk("u:Q a:A a:B u:R a:C")
    record["messages"][2]["best"] = 1
    assert [(read(row), row["part"]) for row in rows(record, shape)] == [("| Q > B", 0)]
    assert rejection(talk("u:Q a:A"), shape) == Rejection(
        "no_reply", "no turn is marked as the accepted answer"
    )


def said(line: int, role: str, text: str, **more: Any) -> tuple[int, Message]:
    found = message_of({"id": "7", "who": "ann", "role": role, "text": text, **more}, MESSAGES)
    assert isinstance(found, Message)
    return line, found


def test_a_message_tells_of_whom_it_is() -> None:
    _, message = said(1, "Agent", "A", created="2025-03-01")
    assert message == Message(
        conversation="7",
        time="2025-03-01T00:00:00+00:00",
        role="assistant",
        text="A",
        requester="ann",
        created="2025-03-01T00:00:00+00:00",
    )


def test_messages_become_a_thread_in_the_order_of_their_times() -> None:
    messages = [
        said(9, "user", "Q", created="2025-03-01T10:00:00Z"),
        said(3, "agent", "B", created="2025-03-01T12:00:00Z"),
        said(2, "user", "R", created="2025-03-01T11:00:00Z"),
        said(1, "agent", "A", created="2025-03-01T10:00:00Z"),
        said(4, "agent", "A2", created="2025-03-01T10:00:00.5Z"),
    ]
    (only,) = thread(messages, MESSAGES)
    assert only == Rejection("roles_out_of_order", "the conversation begins with who answers")
    found = thread([(0, replace(messages[0][1], time="2025-03-01T09:59:00+00:00")), *messages[1:]], MESSAGES)
    assert [read(row) for row in found if isinstance(row, dict)] == ["| Q > A+A2", "u:Q a:A+A2 | R > B"]
    assert [row["line"] for row in found if isinstance(row, dict)] == [1, 3]
    assert [row["created"][11:16] for row in found if isinstance(row, dict)] == ["10:00", "11:00"]


def test_messages_without_a_time_keep_the_order_of_their_lines() -> None:
    messages = [said(2, "agent", "A"), said(1, "user", "Q", created="2025-03-01"), said(3, "system", "s")]
    (row,) = thread(messages, MESSAGES)
    assert isinstance(row, dict)
    assert (read(row), row["line"], row["left_out"], row["conversation"]) == ("| Q > A", 2, 1, "7")


def test_the_order_in_which_messages_come_does_not_matter() -> None:
    messages = [
        said(line, role, f"{line}") for line, role in enumerate(["user", "agent", "user", "agent"], 1)
    ]
    assert thread(messages, MESSAGES) == thread(messages[::-1], MESSAGES)


MESSAGES_REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"role": "user", "text": "x"}, "no_conversation"),
    "no role": ({"id": 1, "text": "x"}, "unknown_role"),
    "text": ({"id": 1, "role": "user", "text": 7}, "wrong_type"),
    "long": ({"id": 1, "role": "user", "text": "x" * (LONGEST + 1)}, "too_long"),
}


@pytest.mark.parametrize("name", MESSAGES_REJECTED)
def test_a_message_that_is_none_is_rejected(name: str) -> None:
    record, rule = MESSAGES_REJECTED[name]
    found = message_of(record, MESSAGES)
    assert isinstance(found, Rejection)
    assert found.rule == rule


def test_a_thread_of_too_many_messages_is_rejected() -> None:
    assert thread([said(1, "user", "Q")] * (MAX_TURNS + 1), MESSAGES) == [
        Rejection("too_many_turns", "more than 10000 turns")
    ]


ENDINGS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "flags and numbers": ({"s": True, "v": 3, "c": 4.5, "r": False}, (True, 3.0, 4.5, False)),
    "words": ({"s": "Solved", "v": "3", "c": " 4.5 ", "r": "reopened"}, (True, 3.0, 4.5, True)),
    "open": ({"s": "open", "v": -1, "c": 0, "r": 2}, (False, -1.0, 0.0, True)),
    "other words": ({"s": "maybe", "v": "many", "c": "good", "r": "?"}, (None, None, None, None)),
    "other kinds": ({"s": [1], "v": True, "c": {}, "r": []}, (None, None, None, None)),
    "no finite number": ({"s": "1", "v": float("nan"), "c": "inf", "r": "0"}, (True, None, None, False)),
    "endless": ({"v": 10**400, "c": "9" * 5000}, (None, None, None, None)),
    "nothing": ({}, (None, None, None, None)),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_how_a_conversation_ended_is_read(name: str) -> None:
    record, ending = ENDINGS[name]
    outcome = {"solved": "s", "votes": "v", "csat": "c", "reopened": "r"}
    (row,) = rows(record, COLUMNS.model_copy(update=outcome))
    assert tuple(row[key] for key in outcome) == ending


def test_a_turn_says_better_than_its_record_how_it_ended() -> None:
    shape = TURNS.model_copy(update={"solved": "solved", "votes": "votes"})
    record = talk("u:Q a:A u:R a:B", solved="yes")
    record["messages"][1]["votes"] = 4
    record["messages"][3]["solved"] = False
    assert [(row["solved"], row["votes"]) for row in rows(record, shape)] == [(True, 4.0), (False, 4.0)]


def test_the_latest_word_on_a_conversation_counts_where_the_reply_has_none() -> None:
    record = talk("u:Q a:A u:thanks")
    for turn, solved in zip(record["messages"], ("no", None, "yes"), strict=True):
        turn["solved"] = solved
    assert rows(record, TURNS.model_copy(update={"solved": "solved"}))[0]["solved"] is True


WEIGHTS = [
    ({"solved": True, "votes": None}, 2.0),
    ({"solved": False, "votes": 0.0}, 1.0),
    ({"solved": None, "votes": 1.0}, 1.5),
    ({"solved": True, "votes": 3.0}, 4.0),
    ({"solved": None, "votes": -5.0}, 1.0),
]


@pytest.mark.parametrize(("row", "weight"), WEIGHTS)
def test_a_row_weighs_more_when_solved_and_for_each_doubling_of_votes(row: Row, weight: float) -> None:
    assert weight_of(row, Outcome(solved_weight=2.0, vote_weight=0.5)) == weight
    assert weight_of(row, Outcome()) == 1.0


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(("user", "agent")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(("role", "text", "at")), inner)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ("id", "created", "who", "subject", "body", "reply", "messages", "role", "text", "best")
)
RECORDS = st.dictionaries(KEYS, VALUES, max_size=8)
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(("user", "agent", "system"))}, optional={"text": st.text(max_size=3)}
)
SHAPES = [
    COLUMNS,
    COLUMNS.model_copy(update={"question": ("{subject}: {body}",), "id": "", "votes": "id", "solved": "who"}),
    TURNS.model_copy(update={"time": "at", "id": "", "speaker": "at"}),
    TURNS.model_copy(update={"take": "accepted", "accepted": "text", "hidden": "at"}),
    TURNS.model_copy(update={"role_by": "key", "requester_roles": ("role",), "agent_roles": ("text",)}),
    TURNS.model_copy(update={"role_by": "name"}),
]


@settings(max_examples=100, deadline=None)
@given(RECORDS, st.sampled_from(SHAPES))
def test_no_record_raises(record: dict[str, Any], shape: Shape) -> None:
    for found in candidates_of(record, shape):
        assert isinstance(found, Rejection) or isinstance(found["question"], str)
    assert isinstance(message_of(record, MESSAGES), Message | Rejection)


@settings(max_examples=100, deadline=None)
@given(st.lists(TURN, max_size=12))
def test_every_turn_is_in_a_row_or_left_out(turns: list[dict[str, Any]]) -> None:
    found = candidates_of({"id": 1, "messages": turns}, TURNS)
    if isinstance(found[0], Rejection):
        assert len(found) == 1
        return
    spoken = [turn["text"] for turn in turns if turn["role"] != "system" and turn.get("text", "").strip()]
    last = found[-1]
    assert isinstance(last, dict)
    used = [turn["text"] for turn in last["history"]] + [last["question"], last["reply"]]
    assert "\n\n".join(spoken).startswith("\n\n".join(used))
    assert found[0]["left_out"] == len(turns) - len(spoken)
    assert [turn["role"] for turn in last["history"]] == ["user", "assistant"] * (len(last["history"]) // 2)


def test_a_resolved_shape_reads_the_records_it_was_made_from() -> None:
    records = [
        {"ticket_id": 1, "author": name, "is_agent": flag, "body": text}
        for name, flag, text in (("Ann", "false", "How?"), ("Bo", "true", "So."), ("Ann", "false", "Thanks"))
    ]
    shape, _ = resolve_shape(records, LogsSettings(), "a.jsonl")
    messages = [(line, message_of(record, shape)) for line, record in enumerate(records, 1)]
    (row,) = thread([(line, one) for line, one in messages if isinstance(one, Message)], shape)
    assert isinstance(row, dict)
    assert (read(row), row["requester"], row["agent"], row["conversation"]) == (
        "| How? > So.",
        "Ann",
        "Bo",
        "1",
    )
