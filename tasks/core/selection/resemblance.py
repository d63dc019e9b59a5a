"""Resemblance: which conversations are nearly equal, by locality-sensitive hashing of their signatures.

Rows that share one of 21 bands of 6 values are compared; two that are 0.85 alike share a band with probability 0.99995,
two that are 0.9 alike with more than 0.9999999 (Leskovec et al., Mining of Massive Datasets, section 3.4).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.core.selection.signatures import Bands, Signatures

CHANCE = 1 / 256  # two values of a signature, cut to 8 bits, agree by chance
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Company:
    """The rows that share a band with another row: `buckets[starts[i]:starts[i + 1]]` are those of `rows[i]`."""

    rows: Rows
    starts: Rows
    buckets: Rows


def find_company(bands: Iterable[Bands]) -> Company:
    """Find the rows that share a band with another; `bands` are the values of each band, one for each row."""
    rows, buckets, count = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for values in bands:
        found, numbers = _shared(values)
        rows.append(found)
        buckets.append(numbers + count)
        count += int(numbers.max(initial=-1)) + 1
    every, numbers = np.concatenate(rows), np.concatenate(buckets)
    order = np.argsort(every, kind="stable")
    found, starts = np.unique(every[order], return_index=True)
    return Company(found, np.r_[starts, len(every)], numbers[order])


def first_alike(
    company: Company,
    signatures: Signatures,
    order: Rows,
    threshold: float,
    leads: npt.NDArray[np.bool_] | None = None,
) -> Rows:
    """Give, for each of all rows, the row before it in `order` that it is nearly equal to, or -1.

    A row that is like an earlier one is set aside and nothing is compared with it; every other row leads. Where `leads`
    is given, rows that it names lead and are never set aside, and no other row leads; they come first in `order`.
    """
    alike = np.full(len(signatures), -1, dtype=np.int64)
    place = np.full(len(signatures), -1, dtype=np.int64)
    place[company.rows] = np.arange(len(company.rows))
    leaders: dict[int, list[int]] = {}
    for row in order[place[order] >= 0].tolist():
        at = place[row]
        buckets = company.buckets[company.starts[at] : company.starts[at + 1]].tolist()
        leading = leads is not None and bool(leads[row])
        met = [] if leading else [lead for bucket in buckets for lead in leaders.get(bucket, ())]
        near = _nearest(signatures, row, met, threshold)
        alike[row] = near
        if leading or (leads is None and near < 0):
            for bucket in buckets:
                leaders.setdefault(bucket, []).append(row)
    return alike


def _nearest(signatures: Signatures, row: int, leaders: list[int], threshold: float) -> int:
    """Give the first leader that is alike, or -1."""
    if not leaders:
        return -1
    rows = np.array(list(dict.fromkeys(leaders)))
    agree = (signatures[rows] == signatures[row]).mean(axis=1)
    alike = rows[(agree - CHANCE) / (1 - CHANCE) >= threshold]
    return int(alike[0]) if len(alike) else -1


def _shared(values: Bands) -> tuple[Rows, Rows]:
    """Give the rows whose value another row has too, with a number for the value; most have none, so a sieve comes first."""
    slots = (values & (2 ** (4 * len(values)).bit_length() - 1)).astype(np.int64)
    crowded = np.flatnonzero(np.bincount(slots)[slots] > 1) if len(slots) else slots
    _, numbers, counts = np.unique(values[crowded], return_inverse=True, return_counts=True)
    shared = counts[numbers] > 1
    return crowded[shared], numbers[shared]
