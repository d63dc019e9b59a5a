"""Statistics: whether a gain is more than noise.

Rows of one requester resemble each other, so requesters are what is counted, not rows. With few of them resampling is too
sure of itself (zero gain passed 25 % of the time at two requesters, 7 % at five, where 2.5 % were promised): the interval
is Student's, over a jackknife that leaves out one requester at a time (Cameron and Miller 2015, §VI). Where few requesters
have most of the tokens there are fewer voices than requesters, which the degrees of freedom follow (Kish 1965).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tasks.core.judging.scoring import RowScore

Numbers = np.typing.NDArray[np.float64]


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


def paired_gain(challenger: Sequence[RowScore], rival: Sequence[RowScore], confidence: float) -> Gain:
    """Compare two models on the same rows: the rival's loss minus the challenger's, token-weighted.

    With a single requester the interval is unbounded, since one voice says nothing of others. Raises `ValueError` when
    the rows or their tokens differ.
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
    mean = float(gains.sum() / tokens.sum())
    reach = _reach(gains, tokens, confidence)
    return Gain(mean, mean - reach, mean + reach, len(ours), len(groups))


def sign_test(wins: int, losses: int) -> float:
    """Give the two-sided p-value of as many wins and losses between equals; ties say nothing and are left out.

    Source: the exact sign test (Conover 1999, §3.4): twice the binomial tail at one half, at most 1.
    """
    from scipy.special import bdtr  # type: ignore[import-untyped]

    return min(1.0, float(2 * bdtr(min(wins, losses), wins + losses, 0.5)))


def _reach(gains: Numbers, tokens: Numbers, confidence: float) -> float:
    """Give half the width of the interval; gains and tokens [requesters] are sums."""
    from scipy.special import stdtrit

    count = len(gains)
    if count < 2:
        return float("inf")
    without = (gains.sum() - gains) / (tokens.sum() - tokens)  # [requesters], each left out once
    error = np.sqrt((count - 1) / count * np.square(without - gains.sum() / tokens.sum()).sum())
    voices = tokens.sum() ** 2 / np.square(tokens).sum()
    return float(stdtrit(max(voices - 1, 1.0), (1 + confidence) / 2) * error)
