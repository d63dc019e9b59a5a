"""Batches of similar lengths, bounded in tokens, the same for one seed on any machine."""

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IGNORED = -100
POOL = 64  # batches' worth of rows that are sorted by length together: little padding, still a shuffled order

Array = npt.NDArray[np.int64]


def token_batches(lengths: Sequence[int], batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Group row numbers into batches of at most `batch_tokens` tokens, padding included.

    Every row is in exactly one batch; a row longer than the bound is a batch of its own.
    """
    order = list(range(len(lengths)))
    shuffler = random.Random(f"{seed}/{epoch}")  # noqa: S311 - an order, not a secret
    shuffler.shuffle(order)
    mean = max(sum(lengths) // max(len(lengths), 1), 1)
    pool = max(batch_tokens // mean, 1) * POOL
    batches = []
    for start in range(0, len(order), pool):
        rows = sorted(order[start : start + pool], key=lambda row: lengths[row])
        batches += _fill(rows, lengths, batch_tokens)
    shuffler.shuffle(batches)
    return batches


def row_batches(count: int, batch_rows: int, seed: int, epoch: int) -> list[list[int]]:
    """Group row numbers into batches of `batch_rows`, the last one of what is left, in a shuffled order."""
    order = list(range(count))
    random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311 - an order, not a secret
    return [order[start : start + batch_rows] for start in range(0, count, batch_rows)]


def ordered_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group row numbers into batches by falling length, so that the largest batch comes first."""
    rows = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    return _fill(rows, lengths, batch_tokens)


def pieces(rows: Sequence[int], lengths: Sequence[int], most: int) -> list[list[int]]:
    """Part a batch into pieces of at most `most` tokens, padding included, each of similar lengths."""
    return _fill(sorted(rows, key=lambda row: (lengths[row], row)), lengths, most)


def even_pieces(rows: Sequence[int], lengths: Sequence[int], most: int, lanes: int) -> list[list[int]]:
    """Part a batch so, for `lanes` that take pieces in turns: into at most a multiple of them, as small as that allows.

    With several lanes the largest comes first.
    """
    parted = pieces(rows, lengths, most)
    if lanes > 1:
        count = -(-len(parted) // lanes) * lanes
        least, enough = 0, most
        while least < enough:
            bound = (least + enough) // 2
            if len(pieces(rows, lengths, bound)) <= count:
                enough = bound
            else:
                least = bound + 1
        parted = pieces(rows, lengths, enough)[::-1]
    return parted


def collate(
    rows: Sequence[Sequence[int]], prompt_lengths: Sequence[int], pad_id: int
) -> tuple[Array, Array, Array]:
    """Pad rows on the right: ids, attention mask and labels, each [batch, time].

    Labels are -100 on the prompt and on padding; the end of sequence keeps its label even where it is the pad id.
    """
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    labels = np.full((len(rows), width), IGNORED, dtype=np.int64)
    for index, (row, prompt_length) in enumerate(zip(rows, prompt_lengths, strict=True)):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
        labels[index, prompt_length : len(row)] = row[prompt_length:]
    return ids, mask, labels


def _fill(rows: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    batches: list[list[int]] = []
    longest = 0
    for row in rows:
        longest = max(longest, lengths[row])
        if batches and longest * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
            longest = lengths[row]
    return batches
