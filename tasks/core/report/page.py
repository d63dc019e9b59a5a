"""The page of a run: one HTML file that opens anywhere, offline."""

import base64
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import (
    WORDS,
    change,
    evaluation_table,
    figure_of,
    headline,
    interval,
    rows_table,
)

TEMPLATE = Path(__file__).with_name("page.html")


def render_page(summary: RunSummary, loss_png: bytes | None) -> str:
    """Render a run as one page without script or outside reference; whatever the summary lacks is left out.

    The page is private where the summary is, and says in its footer which of both it is.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(words=_words, perplexity=figure_of, clock=_clock)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        run=summary,
        word=WORDS.get(summary.status, summary.status),
        headline=headline(summary),
        tiles=_tiles(summary),
        shares=_shares(summary),
        other_reasons=_others(summary),
        models=evaluation_table(summary),
        gains=_gains(summary),
        gain_note=_gain_note(summary),
        figure=base64.b64encode(loss_png).decode() if loss_png else "",
        facts=_facts(summary.training),
        steps=_steps(summary),
        suites=_suites(summary),
        sections=_sections(summary),
    )


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
    if "version" in summary.model:
        note = ", ".join([summary.model["name"], *summary.model.get("aliases", [])])
        tiles.append({"name": "Model version", "value": str(summary.model["version"]), "note": note})
    return tiles


def _shares(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the parts of all rows, each with what the ledger says of it; the counts add up to the rows that came in."""
    if not summary.rows:
        return []
    total = max(summary.rows.get("in", 0), 1)
    return [
        {
            "name": part["rows"],
            "kind": part["rows"].replace(" ", "_"),
            "count": part["count"],
            "share": 100 * part["count"] / total,
            "reasons": _reasons(summary.reasons, part["rows"]),
        }
        for part in rows_table(summary)[1:]
        if part["count"]
    ]


def _reasons(reasons: Mapping[str, int], fate: str) -> list[tuple[str, int]]:
    start = f"{fate}: "
    found = [(key.removeprefix(start), count) for key, count in reasons.items() if key.startswith(start)]
    told = [
        (rule, count) for rule, count in found if rule.rstrip("s") != fate.rstrip("s")
    ]  # the fate says it
    return sorted(told, key=lambda one: (-one[1], one[0]))


def _others(summary: RunSummary) -> list[tuple[str, int]]:
    """Give the reasons that name no fate."""
    starts = tuple(f"{line['rows']}: " for line in rows_table(summary))
    return [(key, count) for key, count in summary.reasons.items() if not key.startswith(starts)]


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
    return f"Each bar is the {share}interval over resampled requesters{count}; the dashed line is no gain."


def _facts(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Word the trainer's facts, as far as it told them."""
    quantized = training.get("quantized_layers", len(training.get("quantized", ())))
    share = (
        f" ({training['quantized_share']:.0%} of the layers' weights)"
        if "quantized_share" in training
        else ""
    )
    worded: dict[str, tuple[str, Callable[[Any], str]]] = {
        "steps": ("optimizer steps", lambda value: f"{value:,}"),
        "rows": ("training rows", lambda value: f"{value:,}"),
        "tokens": ("tokens", lambda value: f"{value:,}"),
        "trainable": ("trainable parameters", lambda value: f"{value:,}"),
        "final_loss": ("loss of the last step", lambda value: f"{value:.3f} nats per token"),
        "moved": ("adapter weights that moved", lambda value: f"{value:.0%}"),
        "seconds": ("time", _clock),
        "resumed_from": ("resumed", lambda value: f"from step {value:,}" if value else "no"),
        "processes": ("processes", str),
        "dtype": ("compute type", str),
    }
    facts = [(name, word(training[key])) for key, (name, word) in worded.items() if key in training]
    known = "quantized" in training or "quantized_layers" in training
    return [*facts, ("quantized layers", f"{quantized:,}{share}")] if known else facts


def _steps(summary: RunSummary) -> list[dict[str, Any]]:
    """Add up the steps by name, in the order in which they first ran: each runs once for every shard."""
    steps: dict[str, dict[str, Any]] = {}
    for step in summary.steps:
        name = step["name"].replace("_", " ")
        line = steps.setdefault(
            name, {"name": name, "cached": 0, "runs": 0, "seconds": 0.0, "states": Counter()}
        )
        line["runs"] += 1
        line["cached"] += bool(step["cached"])
        line["seconds"] += step["seconds"]
        line["states"].update([] if step["cached"] else [step["state"].lower()])
    longest = max((line["seconds"] for line in steps.values()), default=0) or 1
    return [{**line, "share": 100 * line["seconds"] / longest} for line in steps.values()]


def _suites(summary: RunSummary) -> list[dict[str, Any]]:
    """Gather the doors of each suite; an expectation fails as often as it does in all of them together."""
    suites: dict[str, dict[str, Any]] = {}
    for door in summary.quality:
        suite = suites.setdefault(
            door["suite"], {"name": door["suite"].replace("_", " "), "doors": [], "checks": {}}
        )
        suite["doors"].append(door)
        for check in door["checks"]:
            key = (check["expectation"], check["column"])
            line = suite["checks"].setdefault(key, {**check, "failed": 0, "passed": True})
            line["failed"] += check["failed"]
            line["passed"] = line["passed"] and check["passed"]
    return [_suite(suite) for suite in suites.values()]


def _suite(suite: dict[str, Any]) -> dict[str, Any]:
    checks = sorted(suite["checks"].values(), key=lambda check: check["passed"])  # what fails comes first
    broken = [check for check in checks if not check["passed"]]
    critical = any(check["severity"] == "critical" for check in broken)
    mark = "pass" if not broken else "fail" if critical else "note"
    rows = sum(door["rows"] for door in suite["doors"])
    return {**suite, "checks": checks, "broken": len(broken), "mark": mark, "rows": rows}


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


def _words(value: Any) -> str:
    """Word any plain value for a reader."""
    if value is None or value in ("", [], (), {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items())
    return ", ".join(_words(part) for part in value) if isinstance(value, list | tuple) else str(value)


def _clock(seconds: float) -> str:
    """Give a duration the way a clock would: `4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
