"""A run beside the plan of it: what was foreseen of each step is what happened."""

from collections import Counter
from typing import Any

from journeys import Told, run_here

from flows.planning import plan_run
from tasks.core.settings import Settings


def plan_of(settings: Settings) -> dict[str, Any]:
    """Plan a run of the small journey, without its memory."""
    return plan_run(settings)


def run_as_planned(settings: Settings, *, perhaps: int | None = 0) -> Told:
    """Plan, run, and insist that every step did what was foreseen; `perhaps` is how many steps the plan may leave open."""
    planned = plan_of(settings)
    told = run_here(settings)
    left_open = Counter(one["name"] for one in planned["parts"] if one["fate"] == "perhaps")
    foreseen = Counter(
        (one["name"], one["fate"] == "cached") for one in planned["parts"] if one["fate"] != "perhaps"
    )
    happened = Counter((step.name, step.cached) for step in told[1].steps)
    rest = happened - foreseen
    assert foreseen - happened == Counter(), f"foreseen otherwise: {foreseen - happened}, happened: {rest}"
    assert Counter(name for name, _ in rest.elements()) <= left_open
    assert perhaps is None or left_open.total() == perhaps, left_open
    return told
