"""Lengths: how many tokens examples have, as a histogram that is small, and can be added up over shards."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np

WITHIN = 16  # bins up to the longest that is allowed
BEYOND = (2, 4)  # multiples of it at which the bins beyond end; the last bin has no end


class Bin(TypedDict):
    """Rows of more than `above` tokens and at most `upto` of them; the last bin has no `upto`."""

    above: int
    upto: int | None
    rows: int


class Histogram(TypedDict):
    """Rows and their tokens in all, the longest row, rows over the limit, and the bins, which hold every row once."""

    max_length: int
    rows: int
    tokens: int
    longest: int
    over: int
    bins: list[Bin]


def histogram(lengths: Iterable[int], max_length: int) -> Histogram:
    """Count rows by length, in tokens: sixteen bins up to `max_length`, three beyond."""
    found = np.fromiter(lengths, dtype=np.int64)
    edges = [*_edges(max_length), None]
    inner = np.asarray(edges[1:-1], dtype=np.int64)
    counts = np.bincount(np.searchsorted(inner, found), minlength=len(inner) + 1)
    return {
        "max_length": max_length,
        "rows": len(found),
        "tokens": int(found.sum()),
        "longest": int(found.max(initial=0)),
        "over": int((found > max_length).sum()),
        "bins": [
            {"above": above or 0, "upto": upto, "rows": int(rows)}
            for above, upto, rows in zip(edges, edges[1:], counts, strict=False)
        ],
    }


def added_up(histograms: Sequence[Histogram]) -> Histogram:
    """Add up histograms of one `max_length`; the result is that of all their rows together.

    Raises `ValueError` when there is none, or when their limits differ.
    """
    if len({one["max_length"] for one in histograms}) != 1:
        raise ValueError("histograms can only be added up when they are of one length")
    first = histograms[0]
    return {
        "max_length": first["max_length"],
        "rows": sum(one["rows"] for one in histograms),
        "tokens": sum(one["tokens"] for one in histograms),
        "longest": max(one["longest"] for one in histograms),
        "over": sum(one["over"] for one in histograms),
        "bins": [
            {"above": bins[0]["above"], "upto": bins[0]["upto"], "rows": sum(one["rows"] for one in bins)}
            for bins in zip(*(one["bins"] for one in histograms), strict=True)
        ],
    }


def _edges(max_length: int) -> list[int]:
    inside = [round(max_length * place / WITHIN) for place in range(WITHIN + 1)]
    return inside + [max_length * multiple for multiple in BEYOND]
