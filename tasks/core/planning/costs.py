"""Costs: what the steps of a plan take together: time and disk, by the rates of this machine."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import hypot

from tasks.core.planning.rates import Rate

CACHED, BUILT = 0.08, 0.05  # seconds that a step from the store takes, and that Prefect adds to one that runs
ENDING = 0.8  # seconds in which a run leaves its report
SIDE_BY_SIDE = frozenset(
    (
        "collection",
        "raw_validation",
        "cleaning",
        "clean_validation",
        "example_validation",
        "message_collection",
    )
)


@dataclass(frozen=True)
class Work:
    """A step as far as its cost goes: whether it runs surely, perhaps or not, and how much it has to do."""

    step: str
    fate: str
    effort: float


@dataclass(frozen=True)
class Cost:
    """Seconds with their likely bounds, and bytes; `unknown` are steps of which nothing is known here."""

    seconds: float
    least: float
    most: float
    size: int
    seen: int
    elsewhere: tuple[str, ...]
    unknown: tuple[str, ...]
    by_step: dict[str, float]


def add_up(work: Iterable[Work], rate: Callable[[str], Rate | None], at_once: int) -> Cost:
    """Add up what runs, so many shards `at_once`; what perhaps runs counts in `most` alone, and half in `seconds`."""
    every = list(work)
    shards = Counter(one.step for one in every if one.fate != "cached")
    seconds, perhaps, doubt, size = ENDING, 0.0, 0.0, 0.0
    rates: dict[str, Rate | None] = {}
    unknown: set[str] = set()
    by_step: dict[str, float] = {}
    for one in every:
        if one.fate == "cached":
            seconds += CACHED
            continue
        known = rates.setdefault(one.step, rate(one.step))
        if known is None or not one.effort:  # nobody can say how much there is to do
            unknown.add(one.step)
            continue
        together = min(shards[one.step], at_once) if one.step in SIDE_BY_SIDE else 1
        taken = (known.seconds(one.effort) + BUILT) / together
        by_step[one.step] = by_step.get(one.step, 0.0) + taken
        doubt = hypot(doubt, known.error * taken)
        size += known.size(one.effort)
        if one.fate == "run":
            seconds += taken
        else:
            perhaps += taken
    return Cost(
        seconds=seconds + perhaps / 2,
        least=max(seconds - doubt, 0.0),
        most=seconds + perhaps + doubt,
        size=round(size),
        seen=min((one.seen for one in rates.values() if one and not one.elsewhere), default=0),
        elsewhere=tuple(step for step, one in rates.items() if one and one.elsewhere),
        unknown=tuple(sorted(unknown)),
        by_step=by_step,
    )
