"""Verdicts: what becomes of every row when all rows are looked at together, decided by hashes.

Rows are judged in one order, by time, then by id: the same rows get the same verdicts whatever file they came in.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tasks.core.selection.resemblance import Company, first_alike
from tasks.core.selection.signatures import Keys, Signatures
from tasks.core.selection.splitting import (
    NO_TIME,
    Flags,
    Times,
    count_in_group,
    day,
    held_out_by_time,
    held_out_groups,
    rank_in_group,
)
from tasks.core.settings import CleaningSettings, FormatSettings

VERDICTS = "verdicts.arrow"
SEALED_FROM = 0.85  # two rows that are this much alike never sit on both sides of the split
Rows = npt.NDArray[np.int64]


class Fate(IntEnum):
    """What becomes of a row; the names are the ledger's rules."""

    KEPT = 0
    DUPLICATE = 1
    NEAR_DUPLICATE = 2
    TWIN_OF_HELD_OUT = 3
    STRADDLES_THE_SPLIT = 4
    TOO_MANY_OF_REQUESTER = 5
    NO_TIME_TO_SPLIT_BY = 6
    MENDED = 7


@dataclass(frozen=True)
class Hashes:
    """What is known of all rows, one array each, in the order of the shards."""

    row_keys: Keys
    """Hash of the row's id; with the time it decides which of two alike came first."""
    requesters: Keys
    conversations: Keys
    times: Times
    fingerprints: Keys
    replies: Keys
    signatures: Signatures

    def __len__(self) -> int:
        return len(self.row_keys)


class Rules(BaseModel):
    """How rows are chosen and split; only what counts for it, so that other settings rebuild nothing."""

    model_config = ConfigDict(frozen=True)

    duplicates: str
    near_threshold: float
    split: str
    held_out: float
    held_out_from: int
    salt: str
    max_per_requester: int


def rules_of(cleaning: CleaningSettings, form: FormatSettings) -> Rules:
    """Take the rules out of their sections; a value that another one makes meaningless counts as nothing."""
    by_time = form.split == "time"
    return Rules(
        duplicates=cleaning.duplicates,
        near_threshold=cleaning.near_threshold if cleaning.duplicates == "near" else 1.0,
        split=form.split,
        held_out=0.0 if by_time else form.held_out,
        held_out_from=day(form.held_out_from) if by_time else 0,
        salt="" if by_time else form.salt,
        max_per_requester=form.max_per_requester,
    )


@dataclass(frozen=True)
class Judged:
    """The verdict on every row, in the order of the shards; `of` is the row that a duplicate repeats, else -1."""

    fates: npt.NDArray[np.int8]
    of: Rows
    held_out: Flags
    groups: Keys
    sides_of_group: Rows
    rows_of_group: Rows
    reply_uses: Rows
    twin_on_other_side: Flags


def judge(hashes: Hashes, company: Company, rules: Rules, mended: Flags | None = None) -> Judged:
    """Find duplicates, part training from held-out rows, seal the two against each other, and count what repeats.

    Rows that are `mended` are out of it: another row stands in for each.
    """
    groups = hashes.conversations if rules.split == "conversation" else hashes.requesters
    held_out, straddles = _split(groups, hashes.times, rules)
    jury = _Jury(hashes, company, held_out)
    jury.fates[straddles] = Fate.STRADDLES_THE_SPLIT
    if rules.split == "time":
        jury.fates[hashes.times == NO_TIME] = Fate.NO_TIME_TO_SPLIT_BY
    if mended is not None:
        jury.fates[mended] = Fate.MENDED
    if rules.duplicates != "off":
        jury.drop_equal()
    if rules.duplicates == "near":
        jury.drop_alike(rules.near_threshold)
    if rules.duplicates != "near" or rules.near_threshold > SEALED_FROM:
        jury.seal()
    if rules.max_per_requester:
        jury.limit(rules.max_per_requester)
    return jury.describe(groups)


class _Jury:
    """The verdicts while they are found; rows are looked at in order of precedence."""

    def __init__(self, hashes: Hashes, company: Company, held_out: Flags) -> None:
        self.hashes, self.company, self.held_out = hashes, company, held_out
        self.order = np.lexsort((hashes.row_keys, hashes.times))
        self.fates = np.full(len(hashes), Fate.KEPT, dtype=np.int8)
        self.of = np.full(len(hashes), -1, dtype=np.int64)

    def kept(self) -> Rows:
        rows: Rows = self.order[self.fates[self.order] == Fate.KEPT]
        return rows

    def drop_equal(self) -> None:
        rows = self.kept()
        _, first, inverse = np.unique(self.hashes.fingerprints[rows], return_index=True, return_inverse=True)
        self._set_aside(
            Fate.DUPLICATE, rows, np.where(first[inverse] == np.arange(len(rows)), -1, rows[first[inverse]])
        )

    def drop_alike(self, threshold: float) -> None:
        rows = self.kept()
        self._set_aside(Fate.NEAR_DUPLICATE, rows, self._alike(rows, threshold)[rows])

    def seal(self) -> None:
        """Drop from training what is like a held-out row."""
        rows, twins = self._twins()
        self._set_aside(Fate.TWIN_OF_HELD_OUT, rows, twins[rows])

    def limit(self, most: int) -> None:
        """Keep the first `most` training rows of each requester."""
        rows = self.kept()
        rows = rows[~self.held_out[rows]]
        beyond = rank_in_group(self.hashes.requesters[rows]) >= most
        self.fates[rows[beyond]] = Fate.TOO_MANY_OF_REQUESTER

    def describe(self, groups: Keys) -> Judged:
        """Derive, from the kept rows themselves, what the third door asks: nothing here trusts what was decided before."""
        kept = self.kept()
        sides, sizes, uses = (np.zeros(len(self.hashes), dtype=np.int64) for _ in range(3))
        of_kept, apart = groups[kept], self.held_out[kept]
        sides[kept] = np.isin(of_kept, of_kept[apart]).astype(np.int64) + np.isin(of_kept, of_kept[~apart])
        sizes[kept] = count_in_group(of_kept)
        uses[kept] = count_in_group(self.hashes.replies[kept])
        twins = self._twins()[1] >= 0
        return Judged(self.fates, self.of, self.held_out, groups, sides, sizes, uses, twins)

    def _twins(self) -> tuple[Rows, Rows]:
        """Give the kept rows, and for each training row the held-out one that it is like."""
        rows = self.kept()
        rows = np.r_[rows[self.held_out[rows]], rows[~self.held_out[rows]]]
        return rows, self._alike(rows, SEALED_FROM, self.held_out)

    def _alike(self, rows: Rows, threshold: float, leads: Flags | None = None) -> Rows:
        return first_alike(self.company, self.hashes.signatures, rows, threshold, leads)

    def _set_aside(self, fate: Fate, rows: Rows, alike: Rows) -> None:
        found = alike >= 0
        self.fates[rows[found]] = fate
        self.of[rows[found]] = alike[found]


def _split(groups: Keys, times: Times, rules: Rules) -> tuple[Flags, Flags]:
    if rules.split == "time":
        return held_out_by_time(groups, times, rules.held_out_from)
    return held_out_groups(groups, rules.held_out, rules.salt), np.zeros(len(groups), dtype=np.bool_)
