"""The training's parts of the page: the trainer's facts, what it cost, how long each step took, trials that failed."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import start_line
from tasks.core.report.wording import clock, percent, size, spoken

NUMBER: Callable[[Any], str] = "{:,}".format
WATT_HOUR = 3600  # joules
COMPUTE_WORDS = {"mixed": "float32, products with the base in bfloat16"}
COUNTED = {"cpu": "processors", "gpu": "GPUs"}


def start(summary: RunSummary) -> list[tuple[str, str]]:
    """Say from which version the training went on, if from one."""
    return [("went on", start_line(summary))] if summary.start else []


def facts(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Word the trainer's facts, as far as it told them."""
    quantized = training.get("quantized_layers", len(training.get("quantized", ())))
    share = training.get("quantized_share")
    worded: dict[str, tuple[str, Callable[[Any], str]]] = {
        "steps": ("optimizer steps", NUMBER),
        "rows": ("training rows", NUMBER),
        "tokens": ("tokens seen", NUMBER),
        "trainable": ("trainable parameters", NUMBER),
        "final_loss": ("loss of the last step", lambda value: f"{value:.3f} nats per token"),
        "moved": ("adapter weights that moved", percent),
        "resumed_from": ("resumed", lambda value: f"from step {value:,}" if value else "no"),
        "watched": ("rows watched, not trained on", _watched_words),
        "micro_tokens": ("tokens of a piece", NUMBER),
        "lanes": ("pieces at once", NUMBER),
        "memory": ("memory, foreseen", _memory_words),
        "processes": ("processes", str),
        "dtype": ("compute type", lambda value: COMPUTE_WORDS.get(value, value)),
    }
    told = [(name, word(training[key])) for key, (name, word) in worded.items() if key in training]
    known = "quantized" in training or "quantized_layers" in training
    layers = f"{quantized:,}" + (f" ({percent(share)} of their weights)" if share is not None else "")
    return [*told, ("quantized layers", layers)] if known else told


def _memory_words(memory: Mapping[str, Any]) -> str:
    """Say what a training was foreseen to need of what was free, and how it was made to fit."""
    if not memory["needed"]:
        return "could not be told of this base"
    twice = "; activations are computed twice" if memory["gradient_checkpointing"] else ""
    return f"{size(memory['needed'])} of {size(memory['free'])} free{twice}"


def _watched_words(watched: Mapping[str, Any]) -> str:
    """Say what came of the rows that were watched."""
    if "best_step" not in watched:
        return "none"
    ended = "; training ended when they gained no more" if watched["ended_early"] else ""
    return (
        f"{watched['rows']:,}; best after step {watched['best_step']:,} ({watched['best_loss']:.3f}){ended}"
    )


def cost(summary: RunSummary) -> list[tuple[str, str]]:
    """Word what the run took: time in all, in the training and in one of its steps, speed, and energy where it was counted."""
    training, stored = summary.training, sum(bool(one["cached"]) for one in summary.steps)
    told = [("the whole run", clock(summary.seconds))]
    if summary.steps:
        told.append(("steps from the store", f"{stored} of {len(summary.steps)}"))
    if "seconds" in training:
        told.append(("steps of the training", clock(training["seconds"])))
        if training.get("steps"):
            told.append(("one of them, on average", clock(training["seconds"] / training["steps"])))
        if training["seconds"]:
            told.append(("speed", f"{training['tokens'] / training['seconds']:,.0f} tokens a second"))
    told += [
        (f"energy of the {COUNTED[kind]}", f"{joules / WATT_HOUR:,.1f} Wh")
        for kind, joules in training.get("joules", {}).items()
    ]
    return told


def trained_before(summary: RunSummary) -> bool:
    """Say whether the training came from the store, so that an earlier run had its cost."""
    trained = [one for one in summary.steps if one["name"] == "adapter_training"]
    return bool(trained) and all(one["cached"] for one in trained)


def steps(summary: RunSummary) -> list[dict[str, Any]]:
    """Add up the steps by name, in the order in which they first ran: each runs once for every shard."""
    lines: dict[str, dict[str, Any]] = {}
    for step in summary.steps:
        name = spoken(step["name"])
        line = lines.setdefault(
            name, {"name": name, "cached": 0, "runs": 0, "seconds": 0.0, "states": Counter()}
        )
        line["runs"] += 1
        line["cached"] += bool(step["cached"])
        line["seconds"] += step["seconds"]
        line["states"].update([] if step["cached"] else [step["state"].lower()])
    longest = max((line["seconds"] for line in lines.values()), default=0) or 1
    return [{**line, "share": 100 * line["seconds"] / longest} for line in lines.values()]


def trial_problems(sweep: Mapping[str, Any]) -> list[str]:
    """Say why trials failed."""
    return [f"Trial {one['number']}: {one['problem']}" for one in sweep.get("trials", ()) if one["problem"]]
