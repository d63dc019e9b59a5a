"""The page of a run: one HTML file that opens anywhere, offline."""

import base64
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.core.report import data_parts
from tasks.core.report.samples import shown_samples
from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import (
    WORDS,
    change,
    comparison_line,
    earlier_line,
    evaluation_table,
    figure_of,
    general_line,
    golden_line,
    golden_table,
    harness_table,
    headline,
    interval,
    news_line,
    replies_table,
    sentence,
    start_line,
    trials_table,
)
from tasks.core.report.wording import clock, percent, size, spoken, value_of

TEMPLATE = Path(__file__).with_name("page.html")
MOST_SLICES = 12
NUMBER: Callable[[Any], str] = "{:,}".format


def render_page(summary: RunSummary, loss_png: bytes | None, docs: str = "") -> str:
    """Render a run as one page without script or outside reference; whatever the summary lacks is left out.

    `docs` is where the Data Docs lie beside the page, for a link to them; a page that is to be sent elsewhere has none.
    The page is private where the summary is, and says in its footer which of both it is.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        words=value_of, perplexity=figure_of, clock=clock, percent=percent, number=NUMBER, spoken=spoken
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        run=summary,
        word=WORDS.get(summary.status, summary.status),
        headline=headline(summary),
        tiles=_tiles(summary),
        news=_news(summary.worth),
        news_line=news_line(summary),
        trials=trials_table(summary),
        trial_problems=_problems(summary.sweep),
        models=evaluation_table(summary.metrics),
        gains=_gains(summary),
        written=replies_table(summary),
        asked=int(max((figures.get("replies", 0) for figures in summary.metrics.values()), default=0)),
        slices=sorted(summary.slices, key=lambda one: one["mean"])[:MOST_SLICES],
        gain_note=_gain_note(summary),
        earlier=sentence(earlier_line(summary)),
        general=sentence(general_line(summary)),
        compared=comparison_line(summary),
        harness=harness_table(summary),
        golden=golden_table(summary),
        golden_line=golden_line(summary),
        figure=base64.b64encode(loss_png).decode() if loss_png else "",
        facts=[*_start(summary), *_facts(summary.training)],
        steps=_steps(summary),
        sections=_sections(summary),
        samples=shown_samples(summary.samples),
        docs=docs,
        **_data(summary),
    )


def _data(summary: RunSummary) -> dict[str, Any]:
    return {
        "shares": data_parts.shares(summary),
        "other_reasons": data_parts.other_reasons(summary),
        "changes": data_parts.changes(summary),
        "personal": data_parts.personal_data(summary),
        "lengths": data_parts.lengths(summary),
        "suites": data_parts.suites(summary),
        "severities": data_parts.severities(summary),
    }


def _tiles(summary: RunSummary) -> list[dict[str, str]]:
    """Give the figures that a reader wants first, large."""
    tiles = []
    gains = dict(summary.gains)
    if headline(summary):
        base, challenger = summary.metrics["base"]["loss"], summary.metrics["challenger"]["loss"]
        note = f"{change(summary)} than the base"
        note += f"; gain {interval(gains.pop('base'))}" if "base" in gains else ""
        tiles.append({"name": "Held-out loss", "value": f"{base:.3f} → {challenger:.3f}", "note": note})
    for who, gain in gains.items():
        note = f"interval {gain['low']:+.3f} to {gain['high']:+.3f} nats per token"
        tiles.append({"name": f"Gain over the {who}", "value": f"{gain['mean']:+.3f}", "note": note})
    if summary.rows:
        kept, total = summary.rows.get("kept", 0), summary.rows.get("in", 0)
        tiles.append({"name": "Rows kept", "value": f"{kept:,}", "note": f"of {total:,}"})
    pieces = sum(count for name, count in summary.changes.items() if name.isupper())
    if pieces:
        tiles.append(
            {"name": "Personal data", "value": f"{pieces:,}", "note": "pieces replaced by placeholders"}
        )
    if "version" in summary.model:
        note = ", ".join([summary.model["name"], *summary.model.get("aliases", [])])
        tiles.append({"name": "Model version", "value": str(summary.model["version"]), "note": note})
    return tiles


def _gains(summary: RunSummary) -> list[dict[str, Any]]:
    """Place each gain's interval on one scale that holds zero; an unbounded interval has no place on it."""
    ends = [gain[end] for gain in summary.gains.values() for end in ("low", "high")]
    finite = [0.0, *(end for end in ends if math.isfinite(end))]
    low, width = min(finite), (max(finite) - min(finite)) or 1.0

    def place(value: float) -> float:
        return 2 + 96 * (value - low) / width

    return [
        {
            "who": who,
            **gain,
            "zero": place(0),
            "bounded": math.isfinite(gain["low"]) and math.isfinite(gain["high"]),
            "left": place(gain["low"]),
            "right": 100 - place(gain["high"]),
            "middle": place(gain["mean"]),
        }
        for who, gain in summary.gains.items()
    ]


def _gain_note(summary: RunSummary) -> str:
    confidence = summary.settings.get("gate", {}).get("confidence")
    groups = next((gain["groups"] for gain in summary.gains.values() if "groups" in gain), None)
    share = f"{100 * confidence:g} % " if confidence else ""
    count = f" ({groups:,.0f} of them)" if groups else ""
    return f"Each bar is the {share}interval over requesters, each left out once{count}; the dashed line is no gain."


def _news(worth: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Word what is new since the champion, as far as that is known; a drift says when it may be chance."""
    names = {
        "training_rows": "training rows today",
        "new": "new since the champion",
        "gone": "of the champion's, gone",
        "came": "rows that came since",
        "repeats": "of those, repeats",
    }
    counts = [(name, NUMBER(worth[key])) for key, name in names.items() if key in worth]
    drift = [
        (f"drift of {trait}", f"{one['bits']:.3f} bits (p = {one['p_value']:.2g})")
        for trait, one in worth.get("drift", {}).items()
    ]
    return [*counts, *drift]


def _problems(sweep: Mapping[str, Any]) -> list[str]:
    """Say why trials failed."""
    return [f"Trial {one['number']}: {one['problem']}" for one in sweep.get("trials", ()) if one["problem"]]


def _start(summary: RunSummary) -> list[tuple[str, str]]:
    """Say from which version the training went on, if from one."""
    return [("went on", start_line(summary))] if summary.start else []


def _facts(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Word the trainer's facts, as far as it told them."""
    quantized = training.get("quantized_layers", len(training.get("quantized", ())))
    share = training.get("quantized_share")
    worded: dict[str, tuple[str, Callable[[Any], str]]] = {
        "steps": ("optimizer steps", NUMBER),
        "rows": ("training rows", NUMBER),
        "tokens": ("tokens seen", NUMBER),
        "seconds": ("time in steps", clock),
        "trainable": ("trainable parameters", NUMBER),
        "final_loss": ("loss of the last step", lambda value: f"{value:.3f} nats per token"),
        "moved": ("adapter weights that moved", percent),
        "resumed_from": ("resumed", lambda value: f"from step {value:,}" if value else "no"),
        "watched": ("rows watched, not trained on", _watched_words),
        "micro_tokens": ("tokens at once", NUMBER),
        "memory": ("memory of a step, foreseen", _memory_words),
        "processes": ("processes", str),
        "dtype": ("compute type", str),
    }
    facts = [(name, word(training[key])) for key, (name, word) in worded.items() if key in training]
    known = "quantized" in training or "quantized_layers" in training
    layers = f"{quantized:,}" + (f" ({percent(share)} of their weights)" if share is not None else "")
    return [*facts, ("quantized layers", layers)] if known else facts


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


def _steps(summary: RunSummary) -> list[dict[str, Any]]:
    """Add up the steps by name, in the order in which they first ran: each runs once for every shard."""
    steps: dict[str, dict[str, Any]] = {}
    for step in summary.steps:
        name = spoken(step["name"])
        line = steps.setdefault(
            name, {"name": name, "cached": 0, "runs": 0, "seconds": 0.0, "states": Counter()}
        )
        line["runs"] += 1
        line["cached"] += bool(step["cached"])
        line["seconds"] += step["seconds"]
        line["states"].update([] if step["cached"] else [step["state"].lower()])
    longest = max((line["seconds"] for line in steps.values()), default=0) or 1
    return [{**line, "share": 100 * line["seconds"] / longest} for line in steps.values()]


def _sections(summary: RunSummary) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Give the settings as `section.field` and value, the way `--set` takes them."""
    sections = []
    loose = [(name, value) for name, value in summary.settings.items() if not isinstance(value, dict)]
    for name, section in summary.settings.items():
        if isinstance(section, dict):
            sections.append((name, _flat(section)))
    return [*([("general", loose)] if loose else []), *sections]


def _flat(section: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    for name, value in section.items():
        inner = isinstance(value, dict) and value
        fields += _flat(value, f"{prefix}{name}.") if inner else [(f"{prefix}{name}", value)]
    return fields
