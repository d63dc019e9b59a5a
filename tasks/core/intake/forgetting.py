"""Forgetting: which records are of somebody who is to be forgotten, told before anything of them is kept."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.files.parsing import Record, Unreadable
from tasks.core.intake.messages import side_in
from tasks.core.intake.shapes import Shape
from tasks.core.intake.values import Unfit, label_of, list_of
from tasks.core.store.ledger import Entry
from tasks.core.store.tombstones import Tombstones

FORGOTTEN = "forgotten"  # the ledger's rule, and the id of a row that may have none
GONE = Unreadable(FORGOTTEN, "its requester is to be forgotten")


def is_forgotten(name: str, record: Record | Unreadable, shape: Shape, tombstones: Tombstones) -> bool:
    """Say whether a record, named by the hash of its bytes, is of somebody who is to be forgotten.

    A whole conversation is as soon as one of them asks in it: their words are in the history of later replies.
    """
    if not tombstones:
        return False
    if record == GONE or tombstones.cover("record", name):
        return True
    if isinstance(record, Unreadable):
        return False
    if shape.kind == "messages" and tombstones.cover("conversation", _label(record.get(shape.id))):
        return True
    return any(tombstones.cover("requester", one) for one in requesters_of(record, shape))


def requesters_of(record: Record, shape: Shape) -> set[str]:
    """Name everyone who asks in a record, as the log does; also in one that cannot be a row."""
    names = {_label(record.get(shape.requester))} if shape.requester else set()
    if shape.speaker:
        names |= {
            _label(turn.get(shape.speaker))
            for turn in _turns(record, shape)
            if side_in(turn, record, shape) != "assistant"
        }
    return names - {""}


def forgotten(line: int) -> Entry:
    """Enter a record that is forgotten: by its line alone, which leads to nothing but the log itself."""
    return Entry(FORGOTTEN, line, "filtered", FORGOTTEN, GONE.reason)


def _turns(record: Record, shape: Shape) -> Iterator[Mapping[str, Any]]:
    if shape.kind != "turns":
        yield record
        return
    try:
        turns = list_of(record.get(shape.turns), "the list of turns")
    except Unfit:
        return
    yield from (turn for turn in turns if isinstance(turn, Mapping))


def _label(value: Any) -> str:
    """Give a name or id as text; what cannot be one is nobody's."""
    try:
        return label_of(value, "")
    except Unfit:
        return ""
