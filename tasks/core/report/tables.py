"""Tables and sentences of a run, which the terminal, Prefect's artifacts and the page share."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from tasks.core.receipts import EARLIER
from tasks.core.report.summary import FATES, RunSummary
from tasks.core.report.wording import percent, start_words

WORDS = {
    "promoted": "promoted",
    "kept": "not promoted",
    "awaiting-approval": "awaiting approval",
    "skipped": "nothing to do",
    "failed": "failed",
    "checked": "checked",
}
MODELS = ("base", "champion", "challenger")
JOINERS = "\u200c\u200d"  # Persian words and joined emoji need them, and they move no cursor


def rows_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give what became of the rows; the counts of all but the first add up to it.

    Rows that nothing accounts for would be a bug, and get a line of their own.
    """
    names = ("in", "kept", *FATES)
    counts = [summary.rows.get(name, 0) for name in names]
    table = [
        {"rows": name.replace("_", " "), "count": count} for name, count in zip(names, counts, strict=True)
    ]
    missing = counts[0] - sum(counts[1:])
    return [*table, {"rows": "unaccounted", "count": missing}] if missing else table


def evaluation_table(metrics: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Give the models' held-out figures side by side, the challenger last."""
    known = [who for who in MODELS if who in metrics]
    return [
        {
            "model": who,
            "loss": round(figures["loss"], 4),
            "perplexity": round(figures["perplexity"], 2),
            "token accuracy": round(figures["token_accuracy"], 4),
            "rows": int(figures["rows"]),
            "reply tokens": int(figures["tokens"]),
        }
        for who in (*known, *(other for other in metrics if other not in MODELS))
        for figures in (metrics[who],)
    ]


def replies_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the figures of the models' written replies side by side; nothing where none were written."""
    known = [who for who in MODELS if "chrf" in summary.metrics.get(who, {})]
    return [
        {
            "model": who,
            "chrF": f"{figures['chrf']:.1f}",
            "ROUGE-L": f"{figures['rouge_l']:.2f}",
            "the same": percent(figures["exact"]),
            "came to an end": percent(figures["ended"]),
            "length": f"{figures['length_ratio']:.2f}",
            "repeated": percent(figures["repeated"]),
        }
        for who in known
        for figures in (summary.metrics[who],)
    ]


def harness_table(summary: RunSummary) -> list[dict[str, str]]:
    """Give the figures on tasks of lm-eval, model by model; nothing where none were asked."""
    sides = [who for who in MODELS if who in summary.harness]
    names = sorted({name for figures in summary.harness.values() for name in figures})
    return [
        {"task": name, **{who: f"{summary.harness[who].get(name, math.nan):.4g}" for who in sides}}
        for name in names
    ]


def golden_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give what became of every golden case, model by model; nothing where there are none."""
    return [
        {
            "case": one["case"] + (" (critical)" if one["critical"] else ""),
            **{
                who: f"fails {', '.join(one['failed'][who])}" if one["failed"][who] else "passes"
                for who in sorted(one["failed"], key=MODELS.index)
            },
        }
        for one in summary.golden
    ]


def golden_line(summary: RunSummary) -> str:
    """Say how many golden cases each model passes, and which critical ones the challenger fails; empty without cases."""
    if not summary.golden:
        return ""
    passed = {
        who: sum(not one["failed"][who] for one in summary.golden)
        for who in sorted(summary.golden[0]["failed"], key=MODELS.index, reverse=True)
    }
    failed = [one["case"] for one in summary.golden if one["critical"] and one["failed"].get("challenger")]
    counts = ", ".join(f"{who} {count}" for who, count in passed.items())
    critical = f"; critical and failed: {', '.join(failed)}" if failed else ""
    cases = "case" if len(summary.golden) == 1 else "cases"
    return f"{len(summary.golden):,} {cases}; passed: {counts}{critical}"


def earlier_line(summary: RunSummary) -> str:
    """Say what rows of the champion's dataset were asked beside today's, with the gain over it; empty without a champion."""
    if not summary.earlier:
        return ""
    found = next((one for one in summary.slices if one["slice"] == EARLIER), None)
    return f"earlier rows: {summary.earlier}" + (
        f", gain {interval(found)}{_fell(found['fell'])}" if found else ""
    )


def general_line(summary: RunSummary) -> str:
    """Say how well each model foresees general text, with the challenger's gain over the base; empty where none was asked."""
    if not summary.general:
        return ""
    losses = (
        f"{who} {summary.metrics[who]['general_loss']:.3f}"
        for who in MODELS
        if "general_loss" in summary.metrics.get(who, {})
    )
    passages = f"{', '.join(losses)} nats per token on {summary.general['rows']} passages"
    return f"general text: {passages}; {general_words(summary.general)}"


def general_words(general: Mapping[str, Any], begin: str = "gain over") -> str:
    """Say what a challenger gained over its base on general text, as a whole and by language."""
    parts = [f"{begin} the base {interval(general)}{_fell('all' in general['fell'])}"]
    parts += [
        f"{name} {gain['mean']:+.3f}{_fell(name in general['fell'])}"
        for name, gain in general["languages"].items()
    ]
    return "; ".join(parts)


def told_gains(summary: RunSummary) -> dict[str, dict[str, float]]:
    """Give the gains over each rival, and those on earlier rows and general text, by what they are over."""
    beside = {
        "champion_on_earlier_rows": next((one for one in summary.slices if one["slice"] == EARLIER), None),
        "base_on_general_text": summary.general,
    }
    figures = ("mean", "low", "high", "rows", "groups")
    return summary.gains | {
        name: {figure: gain[figure] for figure in figures} for name, gain in beside.items() if gain
    }


def _fell(fell: bool) -> str:
    return " (fell)" if fell else ""


def comparison_line(summary: RunSummary) -> str:
    """Say how the challenger's replies stand in a judge's eyes; empty where none was asked."""
    told = summary.comparison
    if not told:
        return ""
    counts = (
        f"{told['wins']} won, {told['losses']} lost, {told['ties']} tied, {told['unreadable']} unreadable"
    )
    return f"{counts} against the {told['rival']} (p = {told['p_value']:.3f}), says {told['judge']}"


def news_line(summary: RunSummary) -> str:
    """Say why it was worth a training; empty where that was not asked, or is what the run's own reason says."""
    reason = str(summary.worth.get("reason", ""))
    return "" if reason == summary.reason else reason


def start_line(summary: RunSummary) -> str:
    """Say from which version the training went on, and on what; empty where it began from the base."""
    return start_words(summary.start["version"], summary.start) if summary.start else ""


def merge_line(summary: RunSummary) -> str:
    """Say how near the merged model is to the adapter; empty where nothing was merged."""
    proof = summary.merge
    if not proof:
        return ""
    place = f"into the {proof['merged_into']}" if "merged_into" in proof else f"beside the {proof['beside']}"
    return f"logits within {proof['max_abs_diff']:.2g}, {percent(proof['greedy_match'], 2)} of tokens agree ({place})"


def headline(summary: RunSummary) -> str:
    """Say by how much the held-out loss fell, in one sentence; empty without both figures."""
    base, challenger = summary.metrics.get("base"), summary.metrics.get("challenger")
    if not base or not challenger:
        return ""
    return (
        f"Held-out loss {base['loss']:.3f} → {challenger['loss']:.3f} nats per token, {change(summary)} than the base "
        f"on {int(challenger['rows']):,} rows."
    )


def change(summary: RunSummary) -> str:
    """Say how far the challenger's loss is from the base's: `41.2 % lower`."""
    base, challenger = summary.metrics["base"]["loss"], summary.metrics["challenger"]["loss"]
    share = 1 - challenger / base if base else 0.0
    return f"{percent(abs(share))} {'lower' if share >= 0 else 'higher'}"


def interval(gain: Mapping[str, float]) -> str:
    """Give a gain with its confidence interval, in nats per token."""
    return f"{gain['mean']:+.3f}, interval {gain['low']:+.3f} to {gain['high']:+.3f}"


def figure_of(perplexity: float) -> str:
    """Give a perplexity at a bounded width: an untrained model's has hundreds of digits."""
    return f"{perplexity:,.1f}" if perplexity < 1e6 else f"{perplexity:.1e}"


def sentence(words: str) -> str:
    """Make words a sentence."""
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def plain(text: str) -> str:
    """Put a text on one line, without the characters that steer a terminal or turn reading around."""
    unsafe = {"Cc", "Cf", "Cs"}
    line = " ".join(text.split())
    return "".join(char for char in line if char in JOINERS or unicodedata.category(char) not in unsafe)


def verdict(status: str, reason: str) -> str:
    """Say in one sentence how a run ended, and why."""
    return f"{WORDS.get(status, status).capitalize()}: {reason}"


def word_of(summary: RunSummary) -> str:
    """Say in a word or two how a run ended."""
    return WORDS.get(summary.status, summary.status)


def model_of(summary: RunSummary) -> str:
    """Name the version that a run made, with its aliases; empty without one."""
    if "version" not in summary.model:
        return ""
    aliases = ", ".join(summary.model.get("aliases", []))
    return f"{summary.model['name']} version {summary.model['version']}" + (
        f" ({aliases})" if aliases else ""
    )
