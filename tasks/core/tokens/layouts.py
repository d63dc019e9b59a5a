"""What a template and a tokenizer write around the texts of a conversation, found once by rendering marks.

A rendered conversation is `opening question turn reply next_turn question turn …`; the prompt ends with `turn`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.tokens.rendering import Message, encode_all, render

QUESTION, REPLY = "qx7ask", "qx7say"
CONTINUED = "Well, so"  # begins with a word, as replies do
BLANK = " \t\r\n\u2581"  # white space, also as sentencepiece writes it
LONGEST_MARKER = 60


@dataclass(frozen=True)
class Layout:
    """What stands around the texts; `lead` is the white space that the template writes before a reply.

    `anchor` is the end of a prompt that a reply is encoded behind, where the tokenizer would otherwise begin it as
    the first word of a text. `opening_length` counts the tokens before a lone question, without a space that the
    question's first word takes in, and `around` those around it. `ending` closes what is learned; its last id is the
    end of sequence.
    """

    opening: str
    turn: str
    next_turn: str
    lead: str
    opening_length: int
    around: int
    anchor: str
    anchor_ids: tuple[int, ...]
    ending: tuple[int, ...]
    controls: frozenset[int]
    unknown: int | None
    forged: re.Pattern[str] | None
    opens_with_reply: bool


def layout_of(tokenizer: Any) -> Layout:
    """Look at a tokenizer with its template; the same look is given again while neither changes.

    Raises `ModelError` when the template does not begin a conversation with its prompt, writes words between prompt
    and reply, or leaves a text out.
    """
    return _look(tokenizer, tokenizer.chat_template, tokenizer.eos_token, len(tokenizer))


def control_ids(tokenizer: Any) -> frozenset[int]:
    """Give the ids that no text may hold: special and added tokens, apart from white space and the unknown token."""
    added = tokenizer.added_tokens_decoder.items()
    ids = set(tokenizer.all_special_ids) | {key for key, token in added if str(token).strip(BLANK)}
    return frozenset(ids - {_unknown_id(tokenizer)})


def control_sequence(tokenizer: Any, roles: Sequence[str]) -> tuple[int, ...]:
    """Give the control ids that the prompt of a conversation of these roles holds, in order."""
    return _sequence(tokenizer, tokenizer.chat_template, roles[0], len(roles))


@lru_cache(maxsize=8)
def _look(tokenizer: Any, _template: str, _eos: str, _size: int) -> Layout:
    ask, say = {"role": "user", "content": QUESTION}, {"role": "assistant", "content": REPLY}
    (prompt,) = render(tokenizer, [[ask]], prompt=True)
    (whole,) = render(tokenizer, [[ask, say]], prompt=False)
    opening, turn = _around(prompt, QUESTION)
    if not whole.startswith(prompt):
        raise _odd("renders a prompt that a rendered conversation does not begin with")
    lead, closing = _around(whole[len(prompt) :], REPLY)
    if lead.strip():
        raise _odd("writes words between a prompt and its reply")
    next_turn = _rendered(tokenizer, ask, say, ask).rpartition(REPLY)[2].partition(QUESTION)[0]
    anchor, anchor_ids = _anchor(tokenizer, turn, lead)
    controls = control_ids(tokenizer)
    return Layout(
        opening=opening,
        turn=turn,
        next_turn=next_turn,
        lead=lead,
        opening_length=len(encode_all(tokenizer, [opening.rstrip(" ")])[0]),
        around=sum(map(len, encode_all(tokenizer, [opening, turn]))),
        anchor=anchor,
        anchor_ids=anchor_ids,
        ending=_ending(tokenizer, closing),
        controls=controls,
        unknown=_unknown_id(tokenizer),
        forged=_forged(tokenizer, (opening, turn, next_turn, _system_turn(tokenizer, ask)), controls),
        opens_with_reply=REPLY in _rendered(tokenizer, say, ask),
    )


def _around(text: str, mark: str) -> tuple[str, str]:
    before, found, after = text.partition(mark)
    if not found:
        raise _odd("leaves out what was said, or changes it")
    return before, after


def _rendered(tokenizer: Any, *messages: Message) -> str:
    """Render a conversation that not every template takes; nothing where it refuses."""
    try:
        return render(tokenizer, [messages], prompt=True)[0]
    except ModelError:
        return ""


def _system_turn(tokenizer: Any, ask: Message) -> str:
    """Give what a template writes around a system turn, which we never send, but a text could forge."""
    text = _rendered(tokenizer, {"role": "system", "content": REPLY}, ask)
    return text.partition(QUESTION)[0].replace(REPLY, "\n")


def _anchor(tokenizer: Any, turn: str, lead: str) -> tuple[str, tuple[int, ...]]:
    """Find what a reply must be encoded behind to begin as it would inside a text.

    Tokenizers of the sentencepiece kind write a space before the first word of whatever they are given. A base has
    seldom seen one after a line break or a control token, and would have to unlearn what it knows of such a place.
    """
    tokens = tokenizer.convert_ids_to_tokens(sorted(control_ids(tokenizer)))
    last = max((turn.rfind(token) for token in tokens), default=-1)
    end = turn[last:] if last >= 0 else turn[-1:]
    alone, before, behind = encode_all(tokenizer, [lead + CONTINUED, end, end + lead + CONTINUED])
    if not end or behind[: len(before)] != before or behind[len(before) :] == alone:
        return "", ()
    return end, tuple(before)


def _ending(tokenizer: Any, closing: str) -> tuple[int, ...]:
    """Give the ids that close a reply: what the template writes, and the end of sequence where that is another."""
    text = closing.partition(tokenizer.eos_token)[0].strip()
    ids = encode_all(tokenizer, [text])[0] if text else []
    return (*ids, tokenizer.eos_token_id)


def _forged(tokenizer: Any, seams: Sequence[str], controls: frozenset[int]) -> re.Pattern[str] | None:
    """Match what would read as a turn: the words that a template writes as structure, and the unknown token's name.

    A word such as `user` is none without the control tokens around it; `User:` is one at the beginning of a line.
    """
    tokens = sorted(map(re.escape, tokenizer.convert_ids_to_tokens(sorted(controls))), key=len, reverse=True)
    cut = re.compile("|".join([*tokens, "\n"]))
    parts = {part.strip() for seam in seams for part in cut.split(seam)}
    markers = sorted(
        part for part in parts if 2 < len(part) <= LONGEST_MARKER and re.search(r"[^\w\s]", part)
    )
    patterns = [rf"^[^\S\n]*{re.escape(part)}" if part[0].isalnum() else re.escape(part) for part in markers]
    if tokenizer.unk_token and tokenizer.unk_token_id not in controls:
        patterns.append(re.escape(tokenizer.unk_token))
    return re.compile("|".join(patterns), re.MULTILINE) if patterns else None


def _unknown_id(tokenizer: Any) -> int | None:
    """Give the unknown token's id, unless it is the beginning or the end of sequence too (GPT-2)."""
    unknown: int | None = tokenizer.unk_token_id
    return None if unknown in (tokenizer.bos_token_id, tokenizer.eos_token_id) else unknown


@lru_cache(maxsize=256)
def _sequence(tokenizer: Any, _template: str, first: str, count: int) -> tuple[int, ...]:
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    messages = [{"role": roles[place % 2], "content": QUESTION} for place in range(count)]
    ids = encode_all(tokenizer, render(tokenizer, [messages], prompt=True))[0]
    controls = control_ids(tokenizer)
    return tuple(one for one in ids if one in controls)


def _odd(what: str) -> ModelError:
    return ModelError(f"The chat template {what}.", cure="Set format.template=instruction.")
