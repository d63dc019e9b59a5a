"""Splitting: which rows are held out, decided by their own group or time and the settings alone.

No group is on both sides, and a row never changes sides when other rows come or go.
"""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from tasks.core.selection.signatures import Keys, key_of_text

Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]  # seconds since 1970; NO_TIME where a row has none
NO_TIME = np.iinfo(np.int64).max


def held_out_groups(groups: Keys, share: float, salt: str) -> Flags:
    """Say of each row whether its group is held out; over many groups, `share` of them are."""
    return mixed(groups, f"split/{salt}") < np.uint64(int(share * 2**64))


def share_that_splits(groups: Keys, share: float, salt: str) -> float:
    """Give the least tenth above `share`, up to a half, that holds out some groups and not all; 0 where none does."""
    for tenths in range(1, 6):
        held_out = held_out_groups(groups, tenths / 10, salt)
        if tenths / 10 > share and held_out.any() and not held_out.all():
            return tenths / 10
    return 0.0


def mixed(keys: Keys, salt: str) -> Keys:
    """Mix keys, one to one, so that each salt orders them in another way."""
    state = keys ^ np.uint64(key_of_text(salt))
    for shift, factor in (
        (30, 0xBF58476D1CE4E5B9),
        (27, 0x94D049BB133111EB),
    ):  # splitmix64 (Steele et al. 2014)
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return state ^ (state >> np.uint64(31))


def day(text: str) -> int:
    """Give the beginning of a day, YYYY-MM-DD in UTC, in seconds since 1970. Raises `ValueError` for another form."""
    return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())


def held_out_by_time(groups: Keys, times: Times, since: int) -> tuple[Flags, Flags]:
    """Hold out what was created at `since` or later; say also which rows straddle.

    A row straddles when it is that new while its group asked before: held out it would be judged on a voice that was
    taught, taught it would be the future. A row without a time is on neither side that can be known: see `NO_TIME`.
    """
    new = (times >= since) & (times != NO_TIME)
    old_groups = np.unique(groups[~new])
    straddles = new & np.isin(groups, old_groups)
    return new & ~straddles, straddles


def rank_in_group(groups: Keys) -> npt.NDArray[np.int64]:
    """Number the rows of each group from 0, in the order given."""
    order = np.argsort(groups, kind="stable")
    sorted_groups = groups[order]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    ranks = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    placed = np.empty(len(groups), dtype=np.int64)
    placed[order] = ranks
    return placed


def count_in_group(groups: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Count, for each row, the rows of its group."""
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.int64)
