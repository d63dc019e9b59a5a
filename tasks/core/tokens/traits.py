"""Traits of token rows: what the suite `token_rows` asks of every example, read back from its ids.

Nothing here trusts the encoding: replies are decoded again, and labels are counted where the trainer gets them.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tasks.core.tokens.batching import IGNORED, collate
from tasks.core.tokens.encoded import Encoded
from tasks.core.tokens.layouts import Layout, layout_of
from tasks.core.tokens.rendering import decode_all

SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("length", pa.int32()),
        ("prompt_length", pa.int32()),
        ("reply_tokens", pa.int32()),
        ("labelled", pa.int32()),
        ("label_coverage", pa.float64()),
        ("ends_with_eos", pa.bool_()),
        ("bos_count", pa.int32()),
        ("reply_truncated", pa.bool_()),
        ("markers_inside", pa.bool_()),
    ]
)

Example = tuple[str, str, Sequence[Encoded]]  # row id, reply as it was in the log, and its rows


def token_traits(tokenizer: Any, examples: Sequence[Example]) -> pa.Table:
    """Give the traits of examples, one row each, however many pieces its reply is taught in.

    `length` is that of the longest piece and `prompt_length` the shortest; `reply_tokens`, the end of sequence
    included, and `labelled` are those of all pieces. `label_coverage` is the share of the reply that the labels spell:
    1.0 also where a tokenizer changes case, accents or spacing. `bos_count` counts at the beginning of a row.
    """
    layout = layout_of(tokenizer)
    learned = [
        [one for piece in pieces for one in piece.ids[piece.prompt_length :]] for *_, pieces in examples
    ]
    texts = decode_all(tokenizer, [ids[: -len(layout.ending)] for ids in learned])
    rows = [
        _traits(tokenizer, layout, example, ids, text)
        for example, ids, text in zip(examples, learned, texts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _traits(
    tokenizer: Any, layout: Layout, example: Example, learned: Sequence[int], text: str
) -> dict[str, Any]:
    row_id, reply, pieces = example
    labelled = sum(_labels(piece) for piece in pieces)
    coverage = min(_coverage(text, reply), labelled / max(len(learned), 1))
    content = learned[: -len(layout.ending)]
    return {
        "row_id": row_id,
        "length": max(len(piece.ids) for piece in pieces),
        "prompt_length": min(piece.prompt_length for piece in pieces),
        "reply_tokens": len(learned),
        "labelled": labelled,
        "label_coverage": coverage,
        "ends_with_eos": learned[-1:] == [tokenizer.eos_token_id]
        and tokenizer.eos_token_id not in learned[:-1],
        "bos_count": max(_leading(piece.ids, tokenizer.bos_token_id) for piece in pieces),
        "reply_truncated": coverage < 1.0,
        "markers_inside": not layout.controls.isdisjoint(content)
        or bool(layout.forged and layout.forged.search(text)),
    }


def _labels(piece: Encoded) -> int:
    _, _, labels = collate([piece.ids], [piece.prompt_length], 0)
    return int((labels != IGNORED).sum())


def _coverage(text: str, reply: str) -> float:
    """Give the share of a reply, from its beginning, that a decoded text spells."""
    if text.split() == reply.split():
        return 1.0
    spelt, wanted = _letters(text), _letters(reply)
    if spelt == wanted:
        return 1.0
    same = next(
        (at for at, pair in enumerate(zip(spelt, wanted, strict=False)) if pair[0] != pair[1]), len(spelt)
    )
    return min(same / max(len(wanted), 1), 1 - 1e-9)


def _letters(text: str) -> str:
    """Give what a tokenizer may not lose: letters and digits, without case and accents."""
    return "".join(one for one in unicodedata.normalize("NFKD", text).casefold() if one.isalnum())


def _leading(ids: Sequence[int], token: int | None) -> int:
    count = 0
    while count < len(ids) and ids[count] == token:
        count += 1
    return count
