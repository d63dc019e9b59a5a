"""Slices: whether a model that is better on the whole is worse for some.

A slice falls when its loss is beyond its limit and beyond noise; one of few requesters is shown, and decides nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tasks.core.judging.scoring import RowScore
from tasks.core.judging.statistics import Gain, paired_gain

LENGTHS = ((128, "up to 128 tokens"), (512, "129 to 512 tokens"))
LONGER = "over 512 tokens"
LEAST = 5  # requesters of a slice that may decide
EARLIER_SCORES = {who: f"{who}_scores.jsonl" for who in ("challenger", "champion")}
KINDS = ("language", "product", "length", "month", "outcome")


class SlicedRow(Protocol):
    """A held-out row with what it is sliced by; an empty word is not known."""

    @property
    def row_id(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def product(self) -> str: ...
    @property
    def month(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def ids(self) -> list[int]: ...


@dataclass(frozen=True)
class SliceGain:
    """The gain in one slice, named as `language: de`, and whether it fell."""

    name: str
    gain: Gain
    fell: bool

    def to_json(self) -> dict[str, Any]:
        """Give the figures by name."""
        return {"slice": self.name, **self.gain.to_json(), "fell": self.fell}


def slices_of(rows: Sequence[SlicedRow]) -> dict[str, frozenset[str]]:
    """Give the ids of the rows of every slice, in order; a slice that is all rows tells nothing more and is left out."""
    found: dict[tuple[int, str], set[str]] = defaultdict(set)
    for row in rows:
        for place, word in enumerate((row.language, row.product, _length(row), row.month, row.outcome)):
            if word:
                found[place, word].add(row.row_id)
    return {
        f"{KINDS[place]}: {word}": frozenset(ids)
        for (place, word), ids in sorted(found.items())
        if len(ids) < len(rows)
    }


def slice_gains(
    challenger: Sequence[RowScore],
    rival: Sequence[RowScore],
    slices: Mapping[str, frozenset[str]],
    *,
    confidence: float,
    most: float,
) -> list[SliceGain]:
    """Compare two models in every slice of two requesters or more; `most` is the loss that one may have, in nats per token."""
    told = []
    for name, ids in slices.items():
        gain = paired_gain(_inside(challenger, ids), _inside(rival, ids), confidence)
        if gain.groups < 2:  # one voice says nothing of others
            continue
        fell = gain.groups >= LEAST and gain.mean < -most and gain.high < 0
        told.append(SliceGain(name, gain, fell))
    return told


def _inside(scores: Sequence[RowScore], ids: frozenset[str]) -> list[RowScore]:
    return [score for score in scores if score.row_id in ids]


def _length(row: SlicedRow) -> str:
    return next((words for most, words in LENGTHS if len(row.ids) <= most), LONGER)
