"""Over-length examples: prompts that lose their beginning, replies that are taught in pieces.

A prompt loses its oldest turns first, then the beginning of its question; a reply loses nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tasks.core.tokens.rendering import Message, decode_all, encode_all, render, token_starts

LEAST_QUESTION = 8  # tokens; what is left of a cut question must still be one
CONTEXT = 4  # a quarter of a piece's room shows the reply so far
AROUND = 32  # tokens that a template may write around a turn
WORD = 16  # tokens; a question is cut before the next word, if one begins within so many
NEAR = 32  # characters; the same where no tokens are counted
PLENTY = (
    LEAST_QUESTION + 4 * NEAR
)  # tokens; where so many stay, going on to a word leaves enough: a letter is four at most
TAIL = 1.5  # times the characters that the tokens to keep take on average, and some more: where a cut is looked for
SOME = 128
BLANK = re.compile(r"\s")


@dataclass
class Prompt:
    """A prompt on its way to fit `budget` tokens; `ids` is None once it cannot.

    A lone question begins behind `opening` ids; `around` counts all that the template writes around it, and `kept` the
    question's tokens that are left.
    """

    messages: list[Message]
    ids: list[int] | None
    budget: int
    opening: int
    around: int
    kept: int = 0

    @property
    def excess(self) -> int:
        return len(self.ids) - self.budget if self.ids is not None else 0

    @property
    def surplus(self) -> list[int]:
        """The ids at the beginning of the question that are too many."""
        return (self.ids or [])[self.opening : self.opening + max(self.excess, 0)]

    def aim(self) -> None:
        """Settle how much of the question stays: less than before, and at least what makes it a question."""
        before = self.kept or len(self.ids or ()) - self.around
        if before <= LEAST_QUESTION:
            self.ids = None
        self.kept = max(before - self.excess, LEAST_QUESTION)


def shorten(tokenizer: Any, prompts: Sequence[Prompt]) -> None:
    """Cut prompts until they fit their budget, as little as that takes; those that cannot lose their ids.

    All are rendered and encoded together, round by round; most fit after one.
    """
    for prompt in prompts:
        if prompt.budget < prompt.around:
            prompt.ids = None
    while over := [prompt for prompt in prompts if prompt.excess > 0]:
        lone = [prompt for prompt in over if len(prompt.messages) == 1]
        _drop_turns(tokenizer, [prompt for prompt in over if len(prompt.messages) > 1])
        _cut_questions(tokenizer, lone)
        cut = [prompt for prompt in over if prompt.ids is not None]
        texts = render(tokenizer, [prompt.messages for prompt in cut], prompt=True)
        for prompt, ids in zip(cut, encode_all(tokenizer, texts), strict=True):
            prompt.ids = ids


def piece_bounds(prompt_length: int, reply_length: int, max_length: int) -> Iterator[tuple[int, int, int]]:
    """Cut a reply into pieces behind its prompt; give where each begins to show, to be learned, and to end.

    Every token is learned in one piece; a later piece first shows a quarter of its room of what came before.
    """
    room = max_length - prompt_length
    learned = 0
    while learned < reply_length:
        shown = max(learned - room // CONTEXT, 0)
        end = min(shown + room, reply_length)
        yield shown, learned, end
        learned = end


def _drop_turns(tokenizer: Any, prompts: Sequence[Prompt]) -> None:
    """Take the oldest turns of each prompt."""
    turns = [turn["content"] for prompt in prompts for turn in prompt.messages[:-1]]
    lengths = map(len, encode_all(tokenizer, turns))
    for prompt in prompts:
        own = list(islice(lengths, len(prompt.messages) - 1))
        del prompt.messages[: _turns_to_drop(prompt.messages, own, prompt.excess)]


def _turns_to_drop(messages: Sequence[Message], lengths: Sequence[int], excess: int) -> int:
    """Count the oldest turns that hold `excess` tokens, up to a question: what is left begins with one.

    With each go the words around it, counted high: rather too few turns than one too many, for there is a next round.
    """
    saved = 0
    for count, length in enumerate(lengths, 1):
        saved += length + AROUND
        if saved >= excess and messages[count]["role"] == "user":
            return count
    return len(lengths)


def _cut_questions(tokenizer: Any, prompts: Sequence[Prompt]) -> None:
    """Take the beginning of each prompt's question."""
    surplus = decode_all(tokenizer, [prompt.surplus for prompt in prompts])
    for prompt, beginning in zip(prompts, surplus, strict=True):
        prompt.aim()
        question = prompt.messages[0]["content"]
        shorter = _without(beginning.lstrip().rstrip("\ufffd"), question) if prompt.kept >= PLENTY else ""
        text = shorter or _last_tokens(tokenizer, question, _tail(prompt), prompt.kept)
        prompt.messages[0] = {"role": "user", "content": text}


def _without(beginning: str, question: str) -> str:
    """Take a decoded beginning off a question, up to the next word; nothing where it does not read the same."""
    if not beginning or not question.startswith(beginning):
        return ""
    space = BLANK.search(question, len(beginning) - 1, len(beginning) + NEAR)
    return question[space.start() if space else len(beginning) :].lstrip()


def _tail(prompt: Prompt) -> str:
    """Give the end of a question that surely holds the tokens to keep, if they are as long as others."""
    question = prompt.messages[0]["content"]
    share = prompt.kept / max(len(prompt.ids or ()) - prompt.around, 1)
    return question[-int(share * len(question) * TAIL + SOME) :]


def _last_tokens(tokenizer: Any, question: str, tail: str, count: int) -> str:
    """Give the last tokens of a question, or a few less, from the next word on."""
    (starts,) = token_starts(tokenizer, [tail])
    if len(starts) < count:
        tail = question
        (starts,) = token_starts(tokenizer, [question])
    first = max(len(starts) - count, 0)
    last = max(len(starts) - LEAST_QUESTION, first)
    words = (
        place
        for place in range(first, min(first + WORD, last) + 1)
        if tail[: starts[place]][-1:].isspace() or tail[starts[place] :][:1].isspace()
    )
    return tail[starts[next(words, first)] :].lstrip() if starts else tail
