"""Byte-level tokenizers: letters stand for bytes, and a text is cut into words before pairs are merged.

How it is cut has a name in llama.cpp, which knows no patterns but its own: a tokenizer is written under a name only when its
pattern is the one behind that name.
"""

from typing import Any

from tasks.core.export.architectures import Fact
from tasks.core.export.pieces import Pieces
from tasks.core.export.refusing import cannot_say

BY_WORDS = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
AS_IT_IS = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
DIGIT_BY_DIGIT = {"type": "Digits", "individual_digits": True}
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _cut_at(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


# The steps, whether a whole word in the vocabulary is taken without a look at the merges, and llama.cpp's name for both.
CUTS: tuple[tuple[list[dict[str, Any]], bool, str], ...] = (
    ([BY_WORDS], False, "gpt-2"),
    ([DIGIT_BY_DIGIT, BY_WORDS], False, "smollm"),
    ([_cut_at(PATTERN % "{1,3}"), AS_IT_IS], True, "llama-bpe"),
    ([_cut_at(PATTERN % "{1,3}"), AS_IT_IS], False, "smaug-bpe"),
    ([_cut_at(PATTERN % ""), AS_IT_IS], False, "qwen2"),
)


def byte_level_facts(pieces: Pieces) -> dict[str, Fact]:
    """Give what llama.cpp is told of a byte-level tokenizer, apart from composing accents, which cannot be told.

    Raises `ModelError` when it is cut in no way that llama.cpp knows.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    if pieces.changes_text:
        raise cannot_say("its tokenizer changes a text before it cuts it")
    if not set(ByteLevel.alphabet()) <= pieces.vocabulary.keys():
        raise cannot_say("its tokenizer has no token for some byte")
    merges = [f"{left} {right}" for left, right in pieces.merges]
    if any(merge.count(" ") > 1 for merge in merges):
        raise cannot_say("its tokenizer merges what holds a space")
    return {"model": "gpt2", "pre": _name_of_cut(pieces), "merges": merges}


def _name_of_cut(pieces: Pieces) -> str:
    steps = [{key: value for key, value in step.items() if key != "trim_offsets"} for step in pieces.splits]
    for known, ignores, name in CUTS:
        if known == steps and ignores == pieces.ignores_merges:
            return name
    raise cannot_say("its tokenizer cuts a text into words in a way that llama.cpp has no name for")
