"""Conversations: a record that is a question with its reply, or a whole conversation, becomes candidate rows."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from tasks.core.intake.exchanges import MAX_TURNS, TOO_MANY_TURNS, Message, Row, examples_of
from tasks.core.intake.messages import about_of, in_order, said_in
from tasks.core.intake.outcomes import outcome_of
from tasks.core.intake.shapes import Shape
from tasks.core.intake.templates import fill_part, fill_parts
from tasks.core.intake.values import Rejection, Unfit, list_of

Record = Mapping[str, Any]


def candidates_of(record: Record, shape: Shape) -> list[Row | Rejection]:
    """Make the rows of one record, or say why it has none; never raises for what a record holds.

    A row has the canonical columns but for `row_id`; `part`, the place of its reply among those of the conversation;
    and `left_out`, the number of turns that are of no side. `line` is not known here and 0. Where the log has no id,
    a conversation is named by the hash of its texts. Of turns, more than `MAX_TURNS` are `too_many_turns`; else
    promises as `exchanges.examples_of`. Rows of the shape `messages` are made by `messages.thread`.
    """
    try:
        return [_of_columns(record, shape)] if shape.kind == "columns" else _of_turns(record, shape)
    except Unfit as unfit:
        return [unfit.rejection]


def _of_columns(record: Record, shape: Shape) -> Row:
    question = fill_parts(record, shape.question, "question")
    reply = fill_part(record, shape.reply, "reply")
    about = about_of(record, shape)
    if not shape.id:
        about["conversation"] = _name_of((question, reply))
    return {
        **about,
        "question": question,
        "reply": reply,
        "history": [],
        **outcome_of(record, record, shape),
        "line": 0,
        "part": 0,
        "left_out": 0,
    }


def _of_turns(record: Record, shape: Shape) -> list[Row | Rejection]:
    turns = list_of(record.get(shape.turns), "the list of turns")
    if len(turns) > MAX_TURNS:
        return [TOO_MANY_TURNS]
    about = about_of(record, shape)
    said = [
        message for place, turn in enumerate(turns, 1) for message in _said(turn, record, about, shape, place)
    ]
    rows = examples_of(in_order(said), shape.take)
    return rows if shape.id else _named(rows, said)


def _said(turn: Any, record: Record, about: dict[str, str], shape: Shape, place: int) -> list[Message]:
    if not isinstance(turn, Mapping):
        raise Unfit("wrong_type", f"turn {place} is a {type(turn).__name__} where an object is expected")
    return said_in(turn, record, about, shape, f"turn {place}")


def _named(rows: Sequence[Row | Rejection], said: Sequence[Message]) -> list[Row | Rejection]:
    name = _name_of([message.text for message in said])
    return [row if isinstance(row, Rejection) else {**row, "conversation": name} for row in rows]


def _name_of(texts: Sequence[str]) -> str:
    digest = blake2b(digest_size=8)
    for text in texts:
        digest.update(b"%d:" % len(text) + text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
