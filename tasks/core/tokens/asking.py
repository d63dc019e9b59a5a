"""A person's question as a prompt: cleaned, rendered and encoded as in training, wherever it is asked.

Each registered version takes this module along, with those that it imports, so that what serves it does the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.normalizing.normalization import neutralize_markers, normalize_text
from tasks.core.tokens.prompts import Turn, encode, has_control_token, render_prompt

Conversation = tuple[str, Sequence[Turn]]
"""A question, and the turns before it."""


def conversation_of(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """Give what a chat asks: its last message, after those before it.

    Raises `ValueError`, without a word of the text, unless users and assistants speak, a user first and last.
    """
    roles = [message["role"] for message in messages]
    if not roles or {roles[0], roles[-1]} != {"user"} or not set(roles) <= {"user", "assistant"}:
        raise ValueError("The messages must be of user and assistant, the first and the last of user.")
    turns: list[Turn] = [{"role": one["role"], "text": one["content"]} for one in messages]
    return turns[-1]["text"], turns[:-1]


def prompt_ids(tokenizer: Any, question: str, history: Sequence[Turn] = ()) -> list[int]:
    """Give the token ids after which the reply to `question`, asked after the turns of `history`, begins.

    Raises `ValueError`, without a word of the text, for one of which nothing is left or that holds a control token.
    """
    turns = [{**turn, "text": _clean(tokenizer, turn["text"])} for turn in history]
    return encode(tokenizer, render_prompt(tokenizer, _clean(tokenizer, question), turns))


def _clean(tokenizer: Any, said: str) -> str:
    text = neutralize_markers(normalize_text(said))
    if not text:
        raise ValueError("is empty")
    if has_control_token(tokenizer, text):
        raise ValueError("holds a control token of this base")
    return text
