"""Statistics: whether a gain is more than noise.

Rows of one requester resemble each other, so whole requesters are resampled, not rows (cluster bootstrap; Cameron,
Gelbach and Miller 2008, §II).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tasks.core.judging.scoring import RowScore


@dataclass(frozen=True)
class Gain:
    """How much lower the challenger's held-out loss is, in nats per token, with its confidence interval."""

    mean: float
    low: float
    high: float
    rows: int
    groups: int

    def to_json(self) -> dict[str, float]:
        """Give the figures by name."""
        return asdict(self)


def paired_gain(
    challenger: Sequence[RowScore], rival: Sequence[RowScore], resamples: int, confidence: float, seed: int
) -> Gain:
    """Compare two models on the same rows: the rival's loss minus the challenger's, token-weighted.

    The interval is a percentile interval over `resamples` draws of requesters; with a single requester it is
    unbounded, since one voice says nothing of others. Raises `ValueError` when the rows or their tokens differ.
    """
    ours = {score.row_id: score for score in challenger}
    theirs = {score.row_id: score for score in rival}
    if (
        not ours
        or ours.keys() != theirs.keys()
        or any(ours[key].tokens != theirs[key].tokens for key in ours)
    ):
        raise ValueError("two models can only be compared on the same held-out rows")
    groups = sorted({score.group for score in challenger})
    place = {group: index for index, group in enumerate(groups)}
    gains, tokens = np.zeros(len(groups)), np.zeros(len(groups))
    for row_id in sorted(ours):
        index = place[ours[row_id].group]
        gains[index] += theirs[row_id].loss_sum - ours[row_id].loss_sum
        tokens[index] += ours[row_id].tokens
    low, high = _interval(gains, tokens, resamples, confidence, seed)
    return Gain(float(gains.sum() / tokens.sum()), low, high, len(ours), len(groups))


def _interval(
    gains: "np.typing.NDArray[np.float64]",
    tokens: "np.typing.NDArray[np.float64]",
    resamples: int,
    confidence: float,
    seed: int,
) -> tuple[float, float]:
    count = len(gains)
    if count < 2:
        return -np.inf, np.inf
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for index in range(resamples):  # one draw at a time: memory stays flat however many requesters there are
        drawn = generator.integers(0, count, count)
        means[index] = gains[drawn].sum() / tokens[drawn].sum()
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
