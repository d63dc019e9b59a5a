"""Shapes: how the records of a log become rows, resolved once from the settings and the records themselves.

A record is a question with its reply (`columns`), a whole conversation (`turns`), or one message (`messages`).
What the settings name is used; the rest is found among well-known names and shown. What could be read in two ways,
or in none, is refused with the setting that decides.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tasks.core.errors import DataError, SettingsError
from tasks.core.intake.detection import (
    ALL_KINDS,
    TEXT,
    Look,
    Record,
    Unclear,
    look_at,
    set_to,
    show,
    tied,
)
from tasks.core.intake.parts import (
    DEFAULT,
    find_about,
    find_accepted,
    find_id,
    find_question_and_reply,
    find_speaker,
    find_text,
    find_time,
    find_turn_columns,
    turns_in,
)
from tasks.core.intake.roles import Said, find_hidden, find_speaking
from tasks.core.intake.templates import columns_of
from tasks.core.intake.well_known import TEXTS, TURNS
from tasks.core.settings import Fields, LogsSettings

READ_AS = "Read as "  # how the sentence on a shape begins
HISTORY = 64  # turns: more would let one long conversation of n replies become n * n texts
Kind = Literal["columns", "turns", "messages"]
ABOUT = ("created", "language", "product", "requester", "agent")
OUTCOMES = ("solved", "votes", "csat", "reopened")
TAKEN = {
    "last": "the last reply",
    "every": f"every reply with its history (the latest {HISTORY} turns)",
    "accepted": "the accepted reply",
}


class Shape(BaseModel):
    """How to read the records of a log; an empty name is nothing to read."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Kind
    id: str = ""
    created: str = ""
    language: str = ""
    product: str = ""
    requester: str = ""
    agent: str = ""
    question: tuple[str, ...] = ()
    """Columns or templates (shape `columns`), as is the reply."""
    reply: str = ""
    turns: str = ""
    """Column with the list of turns."""
    role_by: Literal["", "value", "name", "key"] = ""
    """The value of `role` is a role or a name, or the keys of a turn are roles and their values what is said."""
    role: str = ""
    text: str = ""
    time: str = ""
    """Key that orders turns or messages; without one, `created` orders messages, and else the file."""
    speaker: str = ""
    """Key with the name of who speaks: the agent of a reply, and the requester where no column names one."""
    hidden: str = ""
    """Key that marks what the requester never saw, by the value `hidden_if`."""
    hidden_if: bool = False
    requester_roles: tuple[str, ...] = ()
    agent_roles: tuple[str, ...] = ()
    take: Literal["last", "every", "accepted"] = "last"
    accepted: str = ""
    solved: str = ""
    votes: str = ""
    csat: str = ""
    reopened: str = ""


def resolve_shape(records: Sequence[Record], logs: LogsSettings, where: str) -> tuple[Shape, str]:
    """Find the shape of a log from some of its records, and say in a sentence what is read as what.

    `where` names the log in errors. The more records, the better; the first thousand decide by their values.
    Raises `DataError` where columns that are set are missing, or nothing or more than one thing is plausible, and
    `SettingsError` for settings that contradict each other.
    """
    look = look_at(records)
    if not look.kinds:
        raise DataError(
            f"{where} has no record with columns.", cure="Leave it out, or check how it was exported."
        )
    tried = {kind: _try(kind, look, logs) for kind in _kinds(look, logs)}
    failed = {kind: reading for kind, reading in tried.items() if isinstance(reading, Unclear)}
    plausible = [kind for kind in tried if kind not in failed or failed[kind].plausible]
    if len(plausible) > 1:
        raise DataError(
            f"{where} can be read as {' and as '.join(plausible)}.",
            cure=f"Say which it is with {' or '.join(set_to('shape', kind) for kind in plausible)}.",
        )
    reading = tried[plausible[0] if plausible else _most_telling(look, failed)]
    if isinstance(reading, Unclear):
        raise DataError(f"{where} {reading.message}", cure=reading.cure)
    return reading, describe(reading) + _lost(look, reading, logs)


def describe(shape: Shape) -> str:
    """Say in a sentence what is read as what."""
    whence = f"turns in {show([shape.turns])}" if shape.kind == "turns" else shape.kind
    said = [f"{part} = {columns}" for part, columns in _named_parts(shape) if columns]
    if not shape.id:
        said.append("each row is a conversation of its own")
    if shape.hidden:
        said.append(f"without what is marked {show([shape.hidden])} = {str(shape.hidden_if).lower()}")
    if shape.kind != "columns":
        said.append(f"taking {TAKEN[shape.take]}")
    return f"{READ_AS}{whence}: {', '.join(said)}."


def _named_parts(shape: Shape) -> list[tuple[str, str]]:
    how = {"": "", "value": show([shape.role]), "key": "the keys' names"}
    how["name"] = f"{how['value']} (the requester's own name asks)"
    parts = [("question", show(map(_flat, shape.question), " + ")), ("reply", show([_flat(shape.reply)]))]
    parts += [("role", how[shape.role_by])]
    for name in ("text", "time", "speaker", "accepted", "id", *ABOUT, *OUTCOMES):
        parts.append(("conversation" if name == "id" else name, show([getattr(shape, name)])))
    return parts


def _flat(template: str) -> str:
    return template.replace("\n", "\\n")


def _lost(look: Look, shape: Shape, logs: LogsSettings) -> str:
    """Name the optional columns that are set but not there."""
    inner = look_at([turn for turn, _ in turns_in(look, shape.turns)]) if shape.turns else look
    columns = [
        getattr(logs.fields, name) for name in ABOUT if getattr(logs.fields, name) != getattr(DEFAULT, name)
    ]
    columns += [getattr(logs.outcome, name) for name in OUTCOMES]
    lost = [column for column in columns if column and column not in look.kinds and column not in inner.kinds]
    return f" Not in the records looked at: {show(lost)}." if lost else ""


def _kinds(look: Look, logs: LogsSettings) -> list[Kind]:
    """Give the shapes that the settings leave open; the default columns decide too."""
    if logs.shape != "auto":
        return [logs.shape]
    columns_set = logs.fields.question != DEFAULT.question or logs.fields.reply != DEFAULT.reply
    turns = logs.turns
    if columns_set and (turns.column or turns.role or turns.text):
        raise SettingsError(
            "logs.fields names a question or a reply, and logs.turns names turns.",
            cure=f"Say which counts with {set_to('shape', 'columns')} or {set_to('shape', 'turns')}.",
        )
    if turns.column:
        return ["turns"]
    if turns.role or turns.text:
        return ["turns", "messages"]
    by_default = DEFAULT.reply in look.kinds and any(column in look.kinds for column in DEFAULT.question)
    return ["columns"] if columns_set or by_default else ["columns", "turns", "messages"]


def _try(kind: Kind, look: Look, logs: LogsSettings) -> Shape | Unclear:
    read = {"columns": _as_columns, "turns": _as_turns, "messages": _as_messages}[kind]
    try:
        return read(look, logs)
    except Unclear as unclear:
        return unclear


def _most_telling(look: Look, failed: Mapping[Kind, Unclear]) -> Kind:
    """Choose which failure to report: that of turns where there are some, else what came far, else the first."""
    if "turns" in failed and any(turns_in(look, column) for column in look.kinds):
        return "turns"
    return next((kind for kind in failed if failed[kind].telling), next(iter(failed)))


def _as_columns(look: Look, logs: LogsSettings) -> Shape:
    question, reply = find_question_and_reply(look, logs.fields)
    taken = {column for part in (*question, reply) for column in columns_of(part)}
    about = _about(look, logs.fields, taken)
    return Shape(kind="columns", question=question, reply=reply, **about, **_outcome(logs))


def _as_turns(look: Look, logs: LogsSettings) -> Shape:
    readings: dict[str, Shape] = {}
    failures: list[Unclear] = []
    for column in find_turn_columns(look, logs.turns.column):
        try:
            readings[column] = _with_turns(look, logs, column)
        except Unclear as unclear:
            failures.append(unclear)
    chosen = look.known(TURNS, ALL_KINDS, set(look.kinds).difference(readings)) or list(readings)
    if len(chosen) > 1:
        raise tied("the turns", chosen, "turns.column")
    if not chosen:
        raise failures[0]
    return readings[chosen[0]]


def _with_turns(look: Look, logs: LogsSettings, column: str) -> Shape:
    said = turns_in(look, column)
    if not said:
        raise Unclear(
            f"has no list of turns in {show([column])}.",
            cure=f"Say where it is with {set_to('turns.column')}.",
        )
    about = _about(look, logs.fields, [column])
    spoken = _spoken(look_at([turn for turn, _ in said]), said, logs, about)
    return Shape(kind="turns", turns=column, **about, **spoken, **_outcome(logs))


def _as_messages(look: Look, logs: LogsSettings) -> Shape:
    about = find_about(look, logs.fields, (), of_messages=True)
    spoken = _spoken(look, [(record, record) for record in look.records], logs, about)
    name = find_id(look, logs.fields.id, (spoken["role"], spoken["text"]), of_messages=True)
    return Shape(kind="messages", id=name, **about, **spoken, **_outcome(logs))


def _about(look: Look, fields: Fields, taken: Collection[str]) -> dict[str, str]:
    name = find_id(look, fields.id, taken, of_messages=False)
    return {"id": name, **find_about(look, fields, {*taken, name}, of_messages=False)}


def _spoken(inner: Look, said: Said, logs: LogsSettings, about: Mapping[str, str]) -> dict[str, Any]:
    """Resolve who speaks, what and when, in the turns of a list or in messages."""
    of_messages = inner.records[:1] == [record for _, record in said[:1]]
    keys_may_be_roles = (not of_messages or logs.shape == "messages") and not inner.best(TEXTS, TEXT)
    speaking = find_speaking(said, logs.turns, about["requester"], keys_may_be_roles=keys_may_be_roles)
    taken = {speaking.key, *(about.values() if of_messages else ())}
    text = "" if speaking.by == "key" else find_text(inner, logs.turns, taken)
    hidden, hidden_if = find_hidden(said)
    return {
        "role_by": speaking.by,
        "role": speaking.key,
        "requester_roles": speaking.requester,
        "agent_roles": speaking.agent,
        "text": text,
        "time": find_time(inner, logs.turns),
        "speaker": speaking.key if speaking.by == "name" else find_speaker(inner, {*taken, text}),
        "hidden": hidden,
        "hidden_if": hidden_if,
        "take": logs.turns.take,
        "accepted": find_accepted(inner, logs.turns),
    }


def _outcome(logs: LogsSettings) -> dict[str, str]:
    return {name: getattr(logs.outcome, name) for name in OUTCOMES}
