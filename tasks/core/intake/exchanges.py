"""Exchanges: the messages of one conversation, in their order, become questions with their replies and history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from tasks.core.intake.shapes import HISTORY
from tasks.core.intake.values import LONGEST, Rejection

MAX_TURNS = 10_000
TOO_MANY_TURNS = Rejection("too_many_turns", f"more than {MAX_TURNS} turns")
Take = Literal["last", "every", "accepted"]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What was said at once, by whom, and what the log says about it; the empty text is nothing.

    `role` is `user` for who asks, `assistant` for who answers and `other` for what is left out. `time` orders
    messages, `created` is what a row is dated by.
    """

    conversation: str
    time: str
    role: Literal["user", "assistant", "other"]
    text: str
    requester: str = ""
    agent: str = ""
    language: str = ""
    product: str = ""
    created: str = ""
    accepted: bool = False
    solved: bool | None = None
    votes: float | None = None
    csat: float | None = None
    reopened: bool | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """What one side said before the other spoke."""

    role: str
    messages: tuple[Message, ...]
    text: str


def examples_of(said: Sequence[Message], take: Take) -> list[Row | Rejection]:
    """Make rows of a conversation: the last reply, every reply, or the accepted one, each with what came before.

    Messages of one side that follow each other are joined by an empty line; those of other roles and empty ones are
    left out, and counted in `left_out` of the first row. `part` numbers the replies of the conversation from 0, `line`
    is the line of the reply's first message. Of a block with accepted messages only these are the reply. A history
    holds the latest `HISTORY` turns. A conversation that gives no row gives one rejection: `no_turns`,
    `unknown_role`, `no_question`, `no_reply`, `roles_out_of_order` or `too_long`.
    """
    heard = [
        message for message in said if message.role != "other" and message.text and not message.text.isspace()
    ]
    blocks = [_block(role, messages) for role, messages in groupby(heard, key=lambda message: message.role)]
    rejection = _out_of_order(said, blocks) or _too_long(blocks)
    if rejection:
        return [rejection]
    replies = _replies(blocks, take)
    if not replies:
        return [Rejection("no_reply", "no turn is marked as the accepted answer")]
    about = _about(heard)
    rows = [_row(blocks, place, reply, about) for place, reply in replies]
    rows[0]["left_out"] = len(said) - len(heard)
    return list(rows)


def _block(role: str, messages: Iterable[Message]) -> Block:
    together = tuple(messages)
    return Block(role, together, "\n\n".join(message.text for message in together))


def _out_of_order(said: Sequence[Message], blocks: Sequence[Block]) -> Rejection | None:
    roles = {block.role for block in blocks}
    if not said:
        return Rejection("no_turns", "the conversation has no turns")
    if not roles and all(message.role == "other" for message in said):
        return Rejection("unknown_role", f"none of {len(said)} turns is of who asks or who answers")
    if "user" not in roles:
        return Rejection("no_question", "nothing is said by who asks")
    if "assistant" not in roles:
        return Rejection("no_reply", "nothing is said by who answers")
    if blocks[0].role != "user":
        return Rejection("roles_out_of_order", "the conversation begins with who answers")
    return None


def _too_long(blocks: Iterable[Block]) -> Rejection | None:
    if any(len(block.text) > LONGEST for block in blocks):
        return Rejection("too_long", f"what one side said at once has more than {LONGEST} characters")
    return None


def _replies(blocks: Sequence[Block], take: Take) -> list[tuple[int, Block]]:
    """Give the blocks that are replies, with their places; of an accepted one only what is marked."""
    replies = list(enumerate(blocks))[1::2]
    if take == "accepted":
        marked = [(place, [one for one in block.messages if one.accepted]) for place, block in replies]
        return [(place, _block("assistant", messages)) for place, messages in marked if messages]
    return replies if take == "every" else replies[-1:]


def _row(blocks: Sequence[Block], place: int, reply: Block, about: Row) -> Row:
    question = blocks[place - 1]
    earlier = blocks[max(0, place - 1 - HISTORY) : place - 1]
    told = {name: _first(reply.messages, name) for name in ("agent", "solved", "votes", "csat", "reopened")}
    asked = {
        name: _first(question.messages, name) for name in ("requester", "created", "language", "product")
    }
    return {
        **about,
        **{name: value for name, value in {**told, **asked}.items() if value not in {None, ""}},
        "question": question.text,
        "reply": reply.text,
        "history": [{"role": block.role, "text": block.text} for block in earlier],
        "line": reply.messages[0].line,
        "part": place // 2,
        "left_out": 0,
    }


def _about(heard: Sequence[Message]) -> Row:
    """Tell what holds for the whole conversation, where neither question nor reply says otherwise."""
    latest = heard[::-1]
    return {
        "conversation": heard[0].conversation,
        "created": "",
        "language": _first(heard, "language"),
        "product": _first(heard, "product"),
        "requester": _first(heard, "requester"),
        "agent": "",
        **{name: _first(latest, name) for name in ("solved", "votes", "csat", "reopened")},
    }


def _first(messages: Iterable[Message], name: str) -> Any:
    """Give the first that is known; nothing, in the field's own kind, where none is."""
    value = None
    for message in messages:
        value = getattr(message, name)
        if value is not None and value != "":
            return value
    return value
