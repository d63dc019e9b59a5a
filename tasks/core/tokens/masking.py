"""Examples as token ids: which part is the prompt, which part is learned.

Legend: ids [time] = prompt, then reply and end of sequence; labels [time] = -100 on the prompt, else ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tasks.core.tokens.cutting import Prompt, piece_bounds, shorten
from tasks.core.tokens.encoded import Encoded
from tasks.core.tokens.layouts import Layout, control_sequence, layout_of
from tasks.core.tokens.prompts import Turn, messages_of
from tasks.core.tokens.rendering import Message, encode_all, render

Reason = Literal["over_length", "control_token", "unknown_token", "empty_reply"]


Outcome = list[Encoded] | Reason


class Chunk(NamedTuple):
    """What became of each row, and how many tokens each had before anything was cut (0 without a reply)."""

    outcomes: list[Outcome]
    lengths: list[int]


@dataclass
class _Example:
    """A row on its way: its texts, and their ids."""

    row: Mapping[str, Any]
    messages: list[Message]
    prompt: list[int] = field(default_factory=list)
    reply: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.reply)


def encode_conversation(
    tokenizer: Any, history: Sequence[Turn], question: str, reply: str, max_length: int, over_length: str
) -> Outcome:
    """Encode one conversation; see `encode_conversations`."""
    row = {"history": history, "question": question, "reply": reply}
    return encode_conversations(tokenizer, [row], max_length, over_length).outcomes[0]


def encode_conversations(
    tokenizer: Any, rows: Sequence[Mapping[str, Any]], max_length: int, over_length: str
) -> Chunk:
    """Encode rows with `question`, `reply` and perhaps `history`, or give the reason why one cannot be an example.

    Prompt and reply are encoded apart, so that no token straddles the two and the prompt is what serving feeds. A reply
    is never cut. A longer example is dropped (`drop`); or loses its oldest turns, then the beginning of its question
    (`keep_reply`); or, where that does not suffice, is taught in pieces (`split`).
    Raises `ModelError` for a template whose prompt is not the beginning of its conversation.
    """
    layout = layout_of(tokenizer)
    spoken = {
        place: _Example(row, messages_of(row.get("history") or (), row["question"], layout))
        for place, row in enumerate(rows)
        if row["reply"].strip()
    }
    _encode(tokenizer, layout, list(spoken.values()))
    lengths = [spoken[place].length if place in spoken else 0 for place in range(len(rows))]
    reasons = {place: _objection(tokenizer, layout, one) for place, one in spoken.items()}
    sound = {place: one for place, one in spoken.items() if not reasons[place]}
    fitted = dict(
        zip(sound, _fit(tokenizer, layout, list(sound.values()), max_length, over_length), strict=True)
    )
    outcomes = [fitted.get(place) or reasons.get(place) or "empty_reply" for place in range(len(rows))]
    return Chunk(outcomes, lengths)


def _encode(tokenizer: Any, layout: Layout, examples: Sequence[_Example]) -> None:
    """Give every example its ids, in one call of the tokenizer."""
    prompts = render(tokenizer, [one.messages for one in examples], prompt=True)
    replies = [layout.lead + one.row["reply"] for one in examples]
    ids = encode_all(tokenizer, prompts + [layout.anchor + reply for reply in replies])
    for one, prompt, reply, text in zip(examples, ids, ids[len(prompts) :], replies, strict=False):
        one.prompt = prompt
        one.reply = [*_behind_anchor(tokenizer, layout, reply, text), *layout.ending]


def _behind_anchor(tokenizer: Any, layout: Layout, ids: list[int], text: str) -> list[int]:
    """Take the anchor off again; a reply whose first character melts into it is encoded alone."""
    count = len(layout.anchor_ids)
    if tuple(ids[:count]) != layout.anchor_ids:
        return encode_all(tokenizer, [text])[0]
    return ids[count:]


def _objection(tokenizer: Any, layout: Layout, one: _Example) -> Reason | None:
    """Say why an example cannot be one, whatever its length."""
    reply = one.reply[: -len(layout.ending)]
    if not reply:
        return "empty_reply"
    if not layout.controls.isdisjoint(reply) or _is_forged(layout, one.row):
        return "control_token"
    roles = [message["role"] for message in one.messages]
    if tuple(filter(layout.controls.__contains__, one.prompt)) != control_sequence(tokenizer, roles):
        return "control_token"
    return "unknown_token" if layout.unknown in reply else None


def _is_forged(layout: Layout, row: Mapping[str, Any]) -> bool:
    if layout.forged is None:
        return False
    texts = [row["question"], row["reply"], *(turn["text"] for turn in row.get("history") or ())]
    return any(layout.forged.search(text) for text in texts)


def _fit(
    tokenizer: Any, layout: Layout, examples: Sequence[_Example], max_length: int, over_length: str
) -> list[Outcome]:
    """Give each example its rows within `max_length`, as the policy has it."""
    over = [one for one in examples if one.length > max_length]
    if over_length != "drop":
        _shorten(tokenizer, layout, over, [max_length - len(one.reply) for one in over])
    if over_length == "split":
        long = [one for one in over if one.length > max_length]
        _shorten(tokenizer, layout, long, [max_length // 2] * len(long))
        return [list(_pieces(one, max_length)) or "over_length" for one in examples]
    return [_whole(one) if one.length <= max_length else "over_length" for one in examples]


def _shorten(tokenizer: Any, layout: Layout, examples: Sequence[_Example], budgets: Sequence[int]) -> None:
    """Cut the prompts of examples to their budgets, where they can be."""
    prompts = [
        Prompt(list(one.messages), one.prompt, budget, layout.opening_length, layout.around)
        for one, budget in zip(examples, budgets, strict=True)
    ]
    shorten(tokenizer, prompts)
    for one, prompt in zip(examples, prompts, strict=True):
        if prompt.ids is not None:
            one.messages, one.prompt = prompt.messages, prompt.ids


def _whole(one: _Example) -> list[Encoded]:
    return [Encoded(one.prompt + one.reply, len(one.prompt))]


def _pieces(one: _Example, max_length: int) -> Iterator[Encoded]:
    """Give the pieces of a reply: one if it fits, none if its prompt takes more than half of the length."""
    if one.length <= max_length:
        yield from _whole(one)
    elif len(one.prompt) <= max_length // 2:
        bounds = list(piece_bounds(len(one.prompt), len(one.reply), max_length))
        for piece, (shown, learned, end) in enumerate(bounds, 1):
            ids = one.prompt + one.reply[shown:end]
            yield Encoded(ids, len(one.prompt) + learned - shown, piece, len(bounds))
