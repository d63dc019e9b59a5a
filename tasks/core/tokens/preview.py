"""Samples for people to look at, decoded from the very tokens that a model is trained on."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypedDict

from tasks.core.tokens.layouts import control_ids
from tasks.core.tokens.rendering import decode_all


class Special(TypedDict):
    """A control token in a row: what it is called, how it is written, where it stands, and whether it is learned."""

    name: str
    token: str
    at: int
    learned: bool


class Preview(TypedDict):
    """A row as text: what the model is shown, and what it learns.

    `learned` is the reply with control tokens by name, as `⟨eos⟩`; `pieces` are its tokens, one by one.
    """

    prompt: str
    reply: str
    learned: str
    tokens: int
    learned_tokens: int
    pieces: list[str]
    special: list[Special]


def preview(tokenizer: Any, ids: Sequence[int], prompt_length: int) -> Preview:
    """Decode a token row; nothing is taken from anywhere but its ids."""
    prompt, whole = decode_all(tokenizer, [ids[:prompt_length], ids])
    learned = list(ids[prompt_length:])
    # decoded alone, the first word of a reply can lose the space that it has behind its prompt
    reply = whole[len(prompt) :] if whole.startswith(prompt) else decode_all(tokenizer, [learned])[0]
    names = _names(tokenizer)
    return {
        "prompt": prompt,
        "reply": reply,
        "learned": _named(tokenizer, learned, names),
        "tokens": len(ids),
        "learned_tokens": len(learned),
        "pieces": decode_all(tokenizer, [[one] for one in learned]),
        "special": [
            {"name": names[one], "token": _written(tokenizer, one), "at": at, "learned": at >= prompt_length}
            for at, one in enumerate(ids)
            if one in names
        ],
    }


def _names(tokenizer: Any) -> dict[int, str]:
    """Name control tokens by their part; one that plays several is the end of sequence before all else."""
    names = {one: _written(tokenizer, one).strip("<|>[]") for one in control_ids(tokenizer)}
    for part in ("mask", "cls", "sep", "pad", "unk", "bos", "eos"):
        one = getattr(tokenizer, f"{part}_token_id", None)
        if one is not None:
            names[one] = part
    return names


def _named(tokenizer: Any, ids: Sequence[int], names: dict[int, str]) -> str:
    runs = groupby(ids, key=names.get)
    return "".join(
        f"⟨{name}⟩" * len(list(run)) if name else decode_all(tokenizer, [list(run)])[0] for name, run in runs
    )


def _written(tokenizer: Any, one: int) -> str:
    return str(tokenizer.convert_ids_to_tokens(one))
