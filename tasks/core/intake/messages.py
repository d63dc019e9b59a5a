"""Messages: a row that is one message, or a turn in a list, becomes what somebody said; messages become a thread."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.core.intake.exchanges import MAX_TURNS, TOO_MANY_TURNS, Message, Row, examples_of
from tasks.core.intake.outcomes import outcome_of
from tasks.core.intake.roles import Side, is_hidden, side_of, side_of_name
from tasks.core.intake.shapes import Shape
from tasks.core.intake.times import iso_time, parse_time
from tasks.core.intake.values import Rejection, Unfit, label_of, text_of, truth_of

Record = Mapping[str, Any]
About = dict[str, str]
WITHOUT_ID = Rejection("no_conversation", "the message does not say of which conversation it is")


def message_of(record: Record, shape: Shape) -> Message | Rejection:
    """Read a row as one message (shape `messages`)."""
    try:
        about = about_of(record, shape)
        said = said_in(record, record, about, shape, "the message")
    except Unfit as unfit:
        return unfit.rejection
    if not about["conversation"]:
        return WITHOUT_ID
    if len(said) > 1:
        return Rejection("two_speakers", "the message is said by who asks and by who answers")
    return said[0]


def thread(messages: Sequence[tuple[int, Message]], shape: Shape) -> list[Row | Rejection]:
    """Make rows of the messages of one conversation, each with the number of its line.

    Their times order them, and the lines where times are equal; where a message has none, the lines alone do.
    More than `MAX_TURNS` are `too_many_turns`; else promises as `exchanges.examples_of`.
    """
    if len(messages) > MAX_TURNS:
        return [TOO_MANY_TURNS]
    by_line = [replace(message, line=line) for line, message in sorted(messages, key=lambda pair: pair[0])]
    return examples_of(in_order(by_line), shape.take)


def in_order(messages: Sequence[Message]) -> Sequence[Message]:
    """Order the messages of both sides by their times where each has one; equal times keep their order."""
    sided = [message for message in messages if message.role != "other"]
    times = [parse_time(message.time) for message in sided]
    timed = sorted((time, place) for place, time in enumerate(times) if time is not None)
    if len(timed) < len(sided):
        return messages
    return [sided[place] for _, place in timed] + [message for message in messages if message.role == "other"]


def about_of(record: Record, shape: Shape) -> About:
    """Read what a record says about its conversation. Raises `Unfit`."""
    get = record.get
    return {
        "conversation": label_of(get(shape.id), "conversation") if shape.id else "",
        "created": iso_time(get(shape.created)) if shape.created else "",
        "language": label_of(get(shape.language), "language") if shape.language else "",
        "product": label_of(get(shape.product), "product") if shape.product else "",
        "requester": label_of(get(shape.requester), "requester") if shape.requester else "",
        "agent": label_of(get(shape.agent), "agent") if shape.agent else "",
    }


def said_in(turn: Record, record: Record, about: About, shape: Shape, where: str) -> list[Message]:
    """Read a turn of a record; one whose keys are roles may hold a question and its reply.

    Raises `Unfit`, with `where`, for a turn that does not say who speaks, or holds something else than text.
    """
    if shape.role_by != "key":
        told = [(side_in(turn, record, shape), turn.get(shape.text))]
    else:
        sides = [
            (side_of(key, shape.requester_roles, shape.agent_roles), text)
            for key, text in turn.items()
            if text
        ]
        told = sorted(filter(_is_sided, sides), key=_requester_first) or [("other", "")]
    return [_message(side, text, turn, record, about, shape, where) for side, text in told]


def _is_sided(said: tuple[Side, Any]) -> bool:
    return said[0] in {"user", "assistant"}


def _requester_first(said: tuple[Side, Any]) -> bool:
    return said[0] != "user"


def side_in(turn: Record, record: Record, shape: Shape) -> Side:
    """Say which side a turn of a record, or a message, is of, where its role does not lie in its keys."""
    if shape.role_by == "name":
        return side_of_name(turn.get(shape.role), record.get(shape.requester), shape.agent_roles)
    return side_of(turn.get(shape.role), shape.requester_roles, shape.agent_roles)


def _message(
    side: Side, text: Any, turn: Record, record: Record, about: About, shape: Shape, where: str
) -> Message:
    if not side:
        raise Unfit("unknown_role", f"{where} does not say who speaks")
    if side == "other" or is_hidden(turn, shape.hidden, shape.hidden_if):
        return Message(about["conversation"], "", "other", "")
    time = iso_time(turn.get(shape.time), "time") if shape.time else about["created"]
    speaker = label_of(turn.get(shape.speaker), "speaker") if shape.speaker else ""
    ending = outcome_of(turn, record, shape)
    return Message(
        conversation=about["conversation"],
        time=time,
        role=side,
        text=text_of(text, f"what {where} says"),
        requester=about["requester"] or (speaker if side == "user" else ""),
        agent=(speaker if side == "assistant" else "") or about["agent"],
        language=about["language"],
        product=about["product"],
        created=about["created"] or time,
        accepted=bool(shape.accepted) and truth_of(turn.get(shape.accepted)) is True,
        **ending,
    )
