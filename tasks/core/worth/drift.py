"""Drift: how far two samples of rows differ in a trait, and whether that is more than chance."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log, log2

Counts = Mapping[str, int]  # rows by value of a trait
FEW = 5  # rows expected of a value; below, the test's distribution is not that of its statistic
CHANCE = 0.01  # of a trait to seem to drift that does not


@dataclass(frozen=True)
class Drift:
    """The Jensen-Shannon divergence of a trait in bits, 0 to 1, and how often chance alone gives as much."""

    bits: float
    p_value: float

    @property
    def beyond_chance(self) -> bool:
        """Say whether chance is no explanation."""
        return self.p_value < CHANCE

    def to_json(self) -> dict[str, float]:
        """Give the figures by name."""
        return asdict(self)


def drift_of(ours: Counts, theirs: Counts) -> Drift:
    """Compare two samples by the values of one trait; one that is empty tells nothing."""
    if not sum(ours.values()) or not sum(theirs.values()):
        return Drift(0.0, 1.0)
    return Drift(divergence(ours, theirs), chance_of(ours, theirs))


def divergence(ours: Counts, theirs: Counts) -> float:
    """Give H((p + q) / 2) - (H(p) + H(q)) / 2 of the shares p and q, in bits: 0 for equal ones, 1 where no value is shared.

    A value that one of them lacks needs no smoothing, as it would in a population stability index.

    Source: the Jensen-Shannon divergence (Lin 1991).
    """
    p, q = _shares(ours), _shares(theirs)
    middle = {value: (p.get(value, 0.0) + q.get(value, 0.0)) / 2 for value in {*p, *q}}
    return max(0.0, _entropy(middle) - (_entropy(p) + _entropy(q)) / 2)


def chance_of(ours: Counts, theirs: Counts) -> float:
    """Give the p-value of two samples being of one population; values of which few are expected count as one value.

    Source: the G-test of homogeneity (Sokal and Rohlf 1995, chapter 17).
    """
    from scipy.special import chdtrc  # type: ignore[import-untyped]

    samples = _without_rarities(ours, theirs)
    sizes = [sum(one.values()) for one in samples]
    whole = samples[0] + samples[1]
    if len(whole) < 2:
        return 1.0
    statistic = 2 * sum(
        count * log(count * sum(sizes) / (size * whole[value]))
        for one, size in zip(samples, sizes, strict=True)
        for value, count in one.items()
    )
    return float(chdtrc(len(whole) - 1, max(0.0, statistic)))


def _without_rarities(ours: Counts, theirs: Counts) -> tuple[Counter[str], Counter[str]]:
    """Count values of which fewer than `FEW` rows are expected in the smaller sample as one, with all others of that kind."""
    sizes = sum(ours.values()), sum(theirs.values())
    share = min(sizes) / sum(sizes)
    whole = Counter(ours) + Counter(theirs)
    rare = {value for value, count in whole.items() if count * share < FEW}
    return _gathered(ours, rare), _gathered(theirs, rare)


def _gathered(counts: Counts, rare: set[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for value, count in counts.items():
        if count:
            found["(rare)" if value in rare else f"={value}"] += count
    return found


def _shares(counts: Counts) -> dict[str, float]:
    total = sum(counts.values())
    return {value: count / total for value, count in counts.items() if count}


def _entropy(shares: Mapping[str, float]) -> float:
    return -sum(share * log2(share) for share in shares.values())
