"""Tokenizers of the sentencepiece kind: a mark for spaces, no words, and bytes to fall back on.

llama.cpp has no list of merges for them: it joins any two neighbours whose text is a token, the token with the best score first.
That is the same only if every such pair is in the list, and if all pairs of a token come before or after all pairs of
another. Conversions from sentencepiece are so; a list that was learned from texts seldom is.

Pairs that make the same token are joined from the left there, and in the order of the list here. The two can differ only where
a token overlaps with itself, such as a run of dashes, and there the left one is whole first in both.
"""

from collections.abc import Mapping

from tasks.core.export.architectures import Fact
from tasks.core.export.pieces import Pieces
from tasks.core.export.refusing import cannot_say

MARK = "▁"
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
FIRST = {"type": "Prepend", "prepend": MARK}
UNMARKED = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "never", "split": False}


def sentence_piece_facts(pieces: Pieces, rows: int, kinds: Mapping[int, int]) -> dict[str, Fact]:
    """Give what llama.cpp is told of such a tokenizer; `kinds` are those of its added tokens.

    Raises `ModelError` when it would join other pairs, or in another order.
    """
    marks_first = _marks_first(pieces)
    if len(pieces.byte_tokens) < 256 or pieces.ignores_merges:
        raise cannot_say("its tokenizer has no token for some byte")
    scores = _scores(pieces, kinds)
    return {
        "model": "llama",
        "pre": "default",
        "scores": [scores.get(number, 0.0) for number in range(rows)],
        "add_space_prefix": marks_first,
    }


def _marks_first(pieces: Pieces) -> bool:
    """Say whether a mark is written before every stretch of text, which llama.cpp does or does not, but not the first one only."""
    how = (pieces.normalizers, pieces.splits)
    if how == ([FIRST, SPACES], []):
        return True
    if how in (([SPACES], []), ([], [UNMARKED])):
        return False
    raise cannot_say("its tokenizer marks spaces in a way that llama.cpp has no name for")


def _scores(pieces: Pieces, kinds: Mapping[int, int]) -> dict[int, float]:
    """Score every token that is merged from others: the earlier in the list, the higher."""
    made = [left + right for left, right in pieces.merges]
    order = list(dict.fromkeys(made))
    blocks = sum(1 for place, token in enumerate(made) if not place or made[place - 1] != token)
    if blocks > len(order):
        raise cannot_say("its merges are not in the order of any score")
    listed = set(pieces.merges)
    for token, number in pieces.vocabulary.items():
        if number in kinds:  # found in a text before it is cut
            continue
        for end in range(1, len(token)):
            left, right = token[:end], token[end:]
            joined = all(len(part) == 1 or part in pieces.vocabulary for part in (left, right))
            if joined and (left, right) not in listed:
                raise cannot_say("llama.cpp would join pairs that are not among its merges")
    return {pieces.vocabulary[token]: -float(place) for place, token in enumerate(order)}
