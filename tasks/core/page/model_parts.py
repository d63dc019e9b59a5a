"""The models' parts of the page: the figures that a reader wants first, and the models side by side."""

from typing import Any

from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import change, evaluation_table, headline, interval


def tiles(summary: RunSummary) -> list[dict[str, str]]:
    """Give the figures that a reader wants first, large."""
    found = []
    gains = dict(summary.gains)
    if headline(summary):
        base, challenger = summary.metrics["base"]["loss"], summary.metrics["challenger"]["loss"]
        note = f"{change(summary)} than the base"
        note += f"; gain {interval(gains.pop('base'))}" if "base" in gains else ""
        found.append({"name": "Held-out loss", "value": f"{base:.3f} → {challenger:.3f}", "note": note})
    for who, gain in gains.items():
        note = f"interval {gain['low']:+.3f} to {gain['high']:+.3f} nats per token"
        found.append({"name": f"Gain over the {who}", "value": f"{gain['mean']:+.3f}", "note": note})
    if summary.rows:
        kept, total = summary.rows.get("kept", 0), summary.rows.get("in", 0)
        found.append({"name": "Rows kept", "value": f"{kept:,}", "note": f"of {total:,}"})
    pieces = sum(count for name, count in summary.changes.items() if name.isupper())
    if pieces:
        found.append(
            {"name": "Personal data", "value": f"{pieces:,}", "note": "pieces replaced by placeholders"}
        )
    if "version" in summary.model:
        note = ", ".join([summary.model["name"], *summary.model.get("aliases", [])])
        found.append({"name": "Model version", "value": str(summary.model["version"]), "note": note})
    return found


def models(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the models side by side, each rival with the challenger's `gain` over it; `best` has the lowest loss."""
    table = evaluation_table(summary.metrics)
    best = min((row["loss"] for row in table), default=0)
    return [{**row, "best": row["loss"] == best, "gain": summary.gains.get(row["model"])} for row in table]


def gain_note(summary: RunSummary) -> str:
    confidence = summary.settings.get("gate", {}).get("confidence")
    groups = next((gain["groups"] for gain in summary.gains.values() if "groups" in gain), None)
    share = f"{100 * confidence:g} % " if confidence else ""
    count = f" ({groups:,.0f} of them)" if groups else ""
    return f"Intervals are {share}intervals over requesters, each left out once{count}; the dashed line is no gain."
