"""Examples as token ids: which part is the prompt, which part is learned.

Legend: ids [time] = prompt, then reply and end of sequence; labels [time] = -100 on the prompt, else ids.
"""

from dataclasses import dataclass
from typing import Any, Literal

from tasks.core.errors import ModelError
from tasks.core.tokens.prompts import encode, has_control_token, render_conversation, render_prompt

LEAST_QUESTION = 8  # tokens; what is left of a cut question must still be one


@dataclass(frozen=True)
class Encoded:
    """Token ids of one example; the loss is on `ids[prompt_length:]`."""

    ids: list[int]
    prompt_length: int


Reason = Literal["over_length", "control_token", "empty_reply"]


def encode_example(
    tokenizer: Any, question: str, reply: str, max_length: int, over_length: str
) -> Encoded | Reason:
    """Encode a conversation, or give the reason why it cannot be an example.

    A reply is never cut: a longer example is dropped, or its question loses its beginning (`cut_prompt`).
    The last id is the end of sequence.
    """
    if has_control_token(tokenizer, question) or has_control_token(tokenizer, reply):
        return "control_token"
    encoded = _encode(tokenizer, question, reply)
    if len(encoded.ids) - encoded.prompt_length < 2:
        return "empty_reply"
    if len(encoded.ids) > max_length and over_length == "cut_prompt":
        shorter = _cut_question(tokenizer, question, len(encoded.ids) - max_length)
        encoded = _encode(tokenizer, shorter, reply) if shorter else encoded
    return encoded if len(encoded.ids) <= max_length else "over_length"


def _encode(tokenizer: Any, question: str, reply: str) -> Encoded:
    """Encode prompt and reply apart, so that no token straddles the two."""
    prompt = render_prompt(tokenizer, question)
    whole = render_conversation(tokenizer, question, reply)
    if not whole.startswith(prompt):
        raise ModelError(
            "The chat template renders a prompt that a rendered conversation does not begin with.",
            cure="Set format.template=instruction.",
        )
    prompt_ids, reply_ids = encode(tokenizer, prompt), encode(tokenizer, whole[len(prompt) :])
    eos = tokenizer.eos_token_id
    end = (
        reply_ids.index(eos) if eos in reply_ids else len(reply_ids)
    )  # templates may add a line break after it
    return Encoded(prompt_ids + reply_ids[:end] + [eos], len(prompt_ids))


def _cut_question(tokenizer: Any, question: str, excess: int) -> str:
    """Take `excess` tokens, and a few more for the seam, from the front of a question; empty if too little is left."""
    ids = encode(tokenizer, question)
    kept = ids[excess + 2 :]
    return str(tokenizer.decode(kept)).lstrip("\ufffd ") if len(kept) >= LEAST_QUESTION else ""
