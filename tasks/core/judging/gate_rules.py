"""The gate's rules: a challenger is promoted only if it beats every rival beyond noise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.core.judging.slices import SliceGain
from tasks.core.judging.statistics import Gain

Outcome = Literal["promote", "keep", "ask"]


@dataclass(frozen=True)
class Verdict:
    """What happens to the challenger, the reason in one sentence, and the figures behind it."""

    outcome: Outcome
    reason: str
    gains: dict[str, dict[str, float]]


def decide(
    gains: Mapping[str, Gain],
    min_gain: float,
    mode: str,
    unfit: str = "",
    slices: Sequence[SliceGain] = (),
    objections: Sequence[str] = (),
) -> Verdict:
    """Judge a challenger by its gains over `base` and, where there is one, `champion`, and by the slices that fell.

    `objections` say what else speaks against it, as parts of a sentence; each keeps it out. The reason names all that does.
    `unfit` says why a champion that exists could not be compared; then, as without a base, nothing is promoted: a
    missing baseline is never a win. Neither is a tie, nor a figure that is not a number.
    """
    figures = {who: gain.to_json() for who, gain in gains.items()}
    if unfit or "base" not in gains:
        return Verdict(
            "keep", unfit or "The base was not scored, so there is nothing to compare with.", figures
        )
    lost = [
        _loss(who, gain, min_gain)
        for who, gain in gains.items()
        if not (math.isfinite(gain.mean) and gain.low > min_gain)  # NaN is never above
    ]
    fallen = "; ".join(f"{one.name} {_figures(one.gain)}" for one in slices if one.fell)
    against = [*([f"these slices fell: {fallen}"] if fallen else []), *objections]
    if lost:
        words = "; ".join([*lost, *against])
        return Verdict("keep", f"{words[0].upper()}{words[1:]}.", figures)
    if against:
        return Verdict("keep", f"The gain on all rows is beyond noise, but {'; '.join(against)}.", figures)
    passed = "; ".join(f"over the {who} {_words(gain, min_gain)}" for who, gain in gains.items())
    if mode == "never":
        return Verdict("keep", f"gate.mode is never; the gains would have passed: {passed}.", figures)
    if mode == "ask":
        return Verdict(
            "ask", f"The gains are beyond noise: {passed}; gate.mode asks for a person's word.", figures
        )
    return Verdict("promote", f"The gains are beyond noise: {passed}.", figures)


def _loss(who: str, gain: Gain, min_gain: float) -> str:
    if gain.high < 0:
        return f"it is worse than the {who}: {_figures(gain)} ({gain.groups} requesters)"
    return f"the gain over the {who} is not beyond noise: {_words(gain, min_gain)}"


def _words(gain: Gain, min_gain: float) -> str:
    relation = "above" if gain.low > min_gain else "not above"
    return f"{_figures(gain)} ({relation} {min_gain:g}, {gain.groups} requesters)"


def _figures(gain: Gain) -> str:
    return f"{gain.mean:+.3f} nats per token, interval {gain.low:+.3f} to {gain.high:+.3f}"
