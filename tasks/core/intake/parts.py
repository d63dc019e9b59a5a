"""Parts: which columns of a log are its question, its reply, its turns and the rest, as set or else as found."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tasks.core.intake.detection import (
    SCALAR,
    TEXT,
    Look,
    Record,
    Unclear,
    are_times,
    missing,
    set_to,
    tied,
    unknown,
)
from tasks.core.intake.templates import columns_of
from tasks.core.intake.values import Unfit, list_of
from tasks.core.intake.well_known import (
    ACCEPTED,
    BODIES,
    IDS,
    INPUTS,
    NAME_KEYS,
    OF_EACH_MESSAGE,
    OPTIONAL,
    OWN_IDS,
    QUESTIONS,
    REPLIES,
    SUBJECTS,
    TEXTS,
    TIMES,
)
from tasks.core.settings import Fields, Turns

TURNS_LOOKED_AT = 4000
DEFAULT = Fields()


def find_question_and_reply(look: Look, fields: Fields) -> tuple[tuple[str, ...], str]:
    """Find the parts of the question, and the reply.

    Raises `Unclear` where a column that is set is missing, or where none or several fit.
    """
    try:
        question = find_question(look, fields.question)
    except Unclear as unclear:
        if fields != DEFAULT or unclear.plausible or look.best(REPLIES, TEXT):
            raise
        raise unknown(
            "the question or the reply",
            look,
            f"Say which they are with {set_to('fields.question', '[COLUMN]')} and {set_to('fields.reply')}, "
            f"or which holds a list of turns with {set_to('turns.column')}.",
        ) from None
    return question, find_reply(look, fields.reply, question)


def find_question(look: Look, named: Sequence[str]) -> tuple[str, ...]:
    """Find the parts of the question. Raises `Unclear` where a named column is missing, or none or several fit."""
    if tuple(named) != DEFAULT.question:
        insist(look, [column for part in named for column in columns_of(part)], "fields.question", "[COLUMN]")
        return tuple(named)
    subject, body = (column if _usable(look, column) else "" for column in DEFAULT.question)
    if body:
        subjects = [subject] if subject else look.known(SUBJECTS, TEXT)
        return (*subjects[:1], body)
    if subject:
        return (subject, *_only(look.known(BODIES, TEXT) or look.known(QUESTIONS[0], TEXT), "the question"))
    return _detect_question(look)


def find_reply(look: Look, named: str, question: Sequence[str]) -> str:
    """Find the reply among the columns that are not the question. Raises `Unclear` as `find_question`."""
    if named != DEFAULT.reply:
        insist(look, columns_of(named), "fields.reply")
        return named
    if _usable(look, named):
        return named
    asked = [column for part in question for column in columns_of(part)]
    found = look.best(REPLIES, TEXT, asked)
    if len(found) > 1:
        raise tied("the reply", found, "fields.reply")
    if not found:
        raise unknown("the reply", look, f"Say which it is with {set_to('fields.reply')}.")
    return found[0]


def find_id(look: Look, named: str, taken: Collection[str], *, of_messages: bool) -> str:
    """Find the column that names the conversation; only messages need one.

    Raises `Unclear` where a named column is missing, several fit and differ, or messages have none.
    """
    if named != DEFAULT.id:
        insist(look, [named] if named else [], "fields.id")
        found = [named] if named else []
    elif named in look.kinds:
        found = [named]
    else:
        found = look.best(OWN_IDS if of_messages else IDS, SCALAR, taken)
    if any(record.get(found[0]) != record.get(other) for other in found[1:] for record in look.records):
        raise tied("the conversation's id", found, "fields.id")
    if of_messages and not found:
        cure = f"Say which it is with {set_to('fields.id')}."
        raise unknown("the conversation's id", look, cure, telling=True)
    return found[0] if found else ""


def find_about(look: Look, fields: Fields, taken: Collection[str], *, of_messages: bool) -> dict[str, str]:
    """Find the columns of time, language, product, requester and agent; any may be absent.

    Of several well-known columns the first in the list counts. Raises `Unclear` where a requester that is set is
    missing: the split rests on it.
    """
    found: dict[str, str] = {}
    spare = OF_EACH_MESSAGE if of_messages else frozenset()
    for part, names in OPTIONAL.items():
        named = getattr(fields, part)
        if named != getattr(DEFAULT, part) or _usable(look, named, SCALAR):
            insist(look, [named] if named and part == "requester" else [], "fields.requester")
            found[part] = named
            continue
        known = look.known([name for name in names if name not in spare], SCALAR, {*taken, *found.values()})
        if part == "created":
            known = [column for column in known if are_times(record.get(column) for record in look.records)]
        found[part] = known[0] if known else ""
    return found


def find_speaker(look: Look, taken: Collection[str]) -> str:
    """Find the key with the name of who speaks; there may be none."""
    return next(iter(look.known(NAME_KEYS, SCALAR, taken)), "")


def find_turn_columns(look: Look, named: str) -> list[str]:
    """Find the columns that hold lists of objects. Raises `Unclear` where the named one is missing or there is none."""
    if named:
        insist(look, [named], "turns.column")
        return [named]
    found = [
        column
        for column, kinds in look.kinds.items()
        if kinds.keys() & {"list", "text"} and turns_in(look, column)
    ]
    if not found:
        raise unknown("a list of turns", look, f"Say which it is with {set_to('turns.column')}.")
    return found


def turns_in(look: Look, column: str) -> list[tuple[Record, Record]]:
    """Give the first turns in a column, each with its record."""
    said: list[tuple[Record, Record]] = []
    for record in look.records:
        value = record.get(column)
        if isinstance(value, list) or (isinstance(value, str) and value.lstrip()[:1] == "["):
            said += [(turn, record) for turn in _turns_of(value) if isinstance(turn, Mapping) and turn]
        if len(said) >= TURNS_LOOKED_AT:
            break
    return said[:TURNS_LOOKED_AT]


def find_text(look: Look, turns: Turns, taken: Collection[str]) -> str:
    """Find the key of what is said. Raises `Unclear` where the named one is missing, or none or several fit."""
    if turns.text:
        insist(look, [turns.text], "turns.text", "KEY")
        return turns.text
    found = look.best(TEXTS, TEXT, taken)
    if len(found) > 1:
        raise tied("what is said", found, "turns.text")
    if not found:
        raise unknown("what is said", look, f"Say which it is with {set_to('turns.text', 'KEY')}.")
    return found[0]


def find_time(look: Look, turns: Turns) -> str:
    """Find the key that orders turns; there may be none. Raises `Unclear` where the named one is missing."""
    if turns.time:
        insist(look, [turns.time], "turns.time", "KEY")
        return turns.time
    known = look.known(TIMES, SCALAR)
    return next((key for key in known if are_times(record.get(key) for record in look.records)), "")


def find_accepted(look: Look, turns: Turns) -> str:
    """Find the key that marks the accepted answer, where one is asked for. Raises `Unclear` where there is none."""
    if turns.take != "accepted" or turns.accepted in look.kinds:
        return turns.accepted if turns.take == "accepted" else ""
    known = look.known(ACCEPTED, {"flag", "number", "text"}) if turns.accepted == Turns().accepted else []
    if not known:
        raise missing([turns.accepted], look, f"Say which it is with {set_to('turns.accepted', 'KEY')}.")
    return known[0]


def insist(look: Look, columns: Sequence[str], setting: str, value: str = "COLUMN") -> None:
    """Raise `Unclear` where one of the columns is missing."""
    lacking = [column for column in columns if column not in look.kinds]
    if lacking:
        raise missing(lacking, look, f"Say which it is with {set_to(setting, value)}.")


def _detect_question(look: Look) -> tuple[str, ...]:
    strong = look.known(QUESTIONS[0], TEXT)
    if strong:
        return (*_only(strong, "the question"), *_input_of(look, strong[0]))
    subjects, bodies = look.known(SUBJECTS, TEXT), look.known(BODIES, TEXT)
    if subjects and bodies:
        return (*_only(subjects, "the subject"), *_only(bodies, "the question"))
    found = look.best(QUESTIONS[1:], TEXT)
    if not found:
        raise unknown("the question", look, f"Say which it is with {set_to('fields.question', '[COLUMN]')}.")
    return _only(found, "the question")


def _input_of(look: Look, question: str) -> list[str]:
    """An instruction may come with an input of its own, often empty."""
    return look.known(INPUTS, TEXT)[:1] if question.lower() == "instruction" else []


def _only(columns: Sequence[str], part: str) -> tuple[str, ...]:
    if len(columns) > 1:
        raise tied(part, columns, "fields.question", "[{}]")
    return tuple(columns)


def _usable(look: Look, column: str, kinds: Collection[str] = TEXT) -> bool:
    found = look.kinds.get(column)
    return found is not None and (not found or look.fits(column, kinds))


def _turns_of(value: Any) -> list[Any]:
    try:
        return list_of(value, "turns")
    except Unfit:
        return []
