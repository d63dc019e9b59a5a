"""A run beside the plans of it: what was foreseen of each step is what happened."""

from collections import Counter
from typing import Any

from journeys import Told, run_here

from flows.planning import plan_run
from tasks.core.settings import Settings


def plan_of(settings: Settings, *, exact: bool = False) -> dict[str, Any]:
    """Plan a run of the small journey, without its memory."""
    return plan_run(settings, exact=exact)


def run_as_planned(settings: Settings, *, perhaps: int | None = 0, open_still: int = 0) -> Told:
    """Plan, run, and insist that every step did what was foreseen.

    `perhaps` is how many steps the plan may leave open, where anybody knows, and `open_still` how many an exact one may.
    """
    planned, exactly = plan_of(settings), plan_of(settings, exact=True)
    told = run_here(settings)
    happened = Counter((step.name, step.cached) for step in told[1].steps)
    _compare(planned, happened, perhaps)
    _compare(exactly, happened, open_still)
    return told


def _compare(planned: dict[str, Any], happened: Counter[tuple[str, bool]], perhaps: int | None) -> None:
    left_open = Counter(one["name"] for one in planned["parts"] if one["fate"] == "perhaps")
    foreseen = Counter(
        (one["name"], one["fate"] == "cached") for one in planned["parts"] if one["fate"] != "perhaps"
    )
    rest = happened - foreseen
    assert foreseen - happened == Counter(), f"foreseen otherwise: {foreseen - happened}, happened: {rest}"
    assert Counter(name for name, _ in rest.elements()) <= left_open
    assert perhaps is None or left_open.total() == perhaps, left_open
