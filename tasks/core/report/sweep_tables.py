"""Tables and sentences of a sweep, which the terminal, Prefect's artifacts and the page share."""

from typing import Any

from tasks.core.report.summary import RunSummary
from tasks.core.sweeping.space import tried_words, words_of


def trials_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the trials of a sweep in order, with the values that they tried; nothing where there was none."""
    return [
        {
            "trial": one["number"],
            **{
                name.partition(".")[2].replace("_", " "): tried_words(name, one["point"][name])
                for name in one["point"]
            },
            "loss": "" if one["loss"] is None else f"{one['loss']:.4f}",
            "steps": f"{one['step']:,} of {one['steps']:,}" if one["steps"] else "",
            "outcome": "chosen" if one["number"] == summary.sweep["number"] else one["state"],
        }
        for one in summary.sweep.get("trials", ())
    ]


def sweep_line(summary: RunSummary) -> str:
    """Say which trial was chosen, of how many; empty where there was no sweep."""
    return str(summary.sweep.get("reason", ""))


def choice_line(summary: RunSummary) -> str:
    """Say which trial was chosen in fewer words: `trial 7 of 12: rank 16, rate 2e-4, …`; empty where there was no sweep."""
    chosen = [one for one in summary.sweep.get("trials", ()) if one["number"] == summary.sweep["number"]]
    return "".join(
        f"trial {one['number']} of {len(summary.sweep['trials'])}: {words_of(one['point'])}" for one in chosen
    )
