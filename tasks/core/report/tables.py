"""Tables and texts of a run, for the terminal, for Prefect's artifacts and for the page."""

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

from tasks.core.report.summary import FATES, RunSummary
from tasks.core.report.wording import clock, percent

WIDTH, LINES = 96, 30
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


def evaluation_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the models' held-out figures side by side, the challenger last."""
    known = [who for who in MODELS if who in summary.metrics]
    return [
        {
            "model": who,
            "loss": round(figures["loss"], 4),
            "perplexity": round(figures["perplexity"], 2),
            "token accuracy": round(figures["token_accuracy"], 4),
            "rows": int(figures["rows"]),
            "reply tokens": int(figures["tokens"]),
        }
        for who in (*known, *(other for other in summary.metrics if other not in MODELS))
        for figures in (summary.metrics[who],)
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


def comparison_line(summary: RunSummary) -> str:
    """Say how the challenger's replies stand in a judge's eyes; empty where none was asked."""
    told = summary.comparison
    if not told:
        return ""
    counts = (
        f"{told['wins']} won, {told['losses']} lost, {told['ties']} tied, {told['unreadable']} unreadable"
    )
    return f"{counts} against the {told['rival']} (p = {told['p_value']:.3f}), says {told['judge']}"


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


def interval(gain: dict[str, float]) -> str:
    """Give a gain with its confidence interval, in nats per token."""
    return f"{gain['mean']:+.3f}, interval {gain['low']:+.3f} to {gain['high']:+.3f}"


def figure_of(perplexity: float) -> str:
    """Give a perplexity at a bounded width: an untrained model's has hundreds of digits."""
    return f"{perplexity:,.1f}" if perplexity < 1e6 else f"{perplexity:.1e}"


def plain(text: str) -> str:
    """Put a text on one line, without the characters that steer a terminal or turn reading around."""
    unsafe = {"Cc", "Cf", "Cs"}
    line = " ".join(text.split())
    return "".join(char for char in line if char in JOINERS or unicodedata.category(char) not in unsafe)


def verdict(status: str, reason: str) -> str:
    """Say in one sentence how a run ended, and why."""
    return f"{WORDS.get(status, status).capitalize()}: {reason}"


def summary_markdown(summary: RunSummary) -> str:
    """Give the run as markdown, without any text from the logs."""
    parts = [f"# {_word(summary).capitalize()}", summary.reason]
    parts += [summary.error["cure"]] if summary.error else []
    parts += [headline(summary), _model(summary)]
    if summary.rows:
        parts.append(_markdown(rows_table(summary)))
    if summary.metrics:
        parts.append(_markdown(evaluation_table(summary)))
    if replies_table(summary):
        parts.append(_markdown(replies_table(summary)))
    if summary.golden:
        parts += [f"Golden cases: {golden_line(summary)}.", _markdown(golden_table(summary))]
    parts += [f"Replies: {comparison_line(summary)}."] if summary.comparison else []
    parts += [f"- The gain over the {who} is {interval(gain)}." for who, gain in summary.gains.items()]
    parts += [f"- {warning}" for warning in summary.warnings]
    return "\n\n".join(filter(None, parts)) + "\n"


def terminal_summary(summary: RunSummary, report: str) -> str:
    """Give the run as at most thirty lines of plain text, a hundred columns wide; only a longer path stays whole."""
    lines = _block(_model(summary), f"{_word(summary).upper()}  ", 1) or [_word(summary).upper()]
    lines += _block(summary.reason, "  ", 4)
    lines += _block(summary.error["cure"], "  ", 2) if summary.error else []
    lines += ["", *_block(headline(summary), "  ", 2)] if headline(summary) else []
    facts = _facts(summary)
    lines += ["", *facts] if facts else []
    if summary.metrics:
        lines += ["", *_models(summary)]
    ending = ["", f"  {_steps(summary)}", f"  report  {plain(report)}"]
    notes = _notes(summary.warnings, LINES - len(lines) - len(ending))
    return "\n".join([*lines, *notes, *ending]) + "\n"


def replies_text(
    replies: Sequence[dict[str, str]], golden: Sequence[dict[str, Any]] = (), width: int = WIDTH
) -> str:
    """Give replies before and after training, then those to golden cases, for the terminal of whoever may read the logs."""
    sides = (
        ("question", "question"),
        ("support team", "reference"),
        ("base", "base"),
        ("challenger", "challenger"),
    )
    parts = []
    for number, reply in enumerate(replies, 1):
        parts.append(f"── {number} ".ljust(width, "─"))
        for label, key in sides:
            parts += _said(label, reply.get(key, ""), width)
    for case in golden:
        parts.append(f"── {case['case']} ".ljust(width, "─"))
        parts += _said("question", case["question"], width)
        for who, reply_text in case["reply"].items():
            parts += _said(who, reply_text, width)
            failed = "; ".join(f"{name}: {text}" for name, text in case["failed"][who].items())
            parts += _said("  fails", failed, width) if failed else []
    return "\n".join(parts)


def _said(label: str, text: str, width: int) -> list[str]:
    wrapped = textwrap.wrap(
        plain(text) or "(nothing)", width, initial_indent=f"{label:<14}", subsequent_indent=" " * 14
    )
    return [*wrapped, ""]


def _word(summary: RunSummary) -> str:
    return WORDS.get(summary.status, summary.status)


def _model(summary: RunSummary) -> str:
    if "version" not in summary.model:
        return ""
    aliases = ", ".join(summary.model.get("aliases", []))
    return f"{summary.model['name']} version {summary.model['version']}" + (
        f" ({aliases})" if aliases else ""
    )


def _block(text: str, indent: str, most: int) -> list[str]:
    """Wrap a text, cut to `most` lines: the report has it whole."""
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        max_lines=most,
        placeholder=" …",
    )


def _facts(summary: RunSummary) -> list[str]:
    lines = []
    if summary.rows:
        lines += _block(_sum(summary), "  rows    ", 2)
    if "train" in summary.rows:
        train, held_out = summary.rows["train"], summary.rows.get("held_out", 0)
        lines.append(f"          {train:,} to train on, {held_out:,} held out")
    untold = [one for one in summary.gains.items() if not _is_told(*one, summary.reason)]
    for who, gain in untold[:2]:
        groups = f" ({gain['groups']:,.0f} requesters)" if "groups" in gain else ""
        lines += _block(f"over the {who} {interval(gain)} nats per token{groups}", "  gain    ", 1)
    lines += _block(golden_line(summary), "  golden  ", 2)
    lines += _block(comparison_line(summary), "  judge   ", 1)
    return lines + (_block(_merge(summary), "  merge   ", 2) if summary.merge else [])


def _is_told(who: str, gain: dict[str, float], reason: str) -> bool:
    return f"over the {who} {gain['mean']:+.3f}" in reason


def _sum(summary: RunSummary) -> str:
    total, *parts = rows_table(summary)
    shown = [f"{part['count']:,} {part['rows']}" for part in parts if part["count"] or part["rows"] == "kept"]
    return f"{total['count']:,} in = " + " + ".join(shown)


def _merge(summary: RunSummary) -> str:
    proof = summary.merge
    place = f"into the {proof['merged_into']}" if "merged_into" in proof else f"beside the {proof['beside']}"
    return (
        f"logits differ by at most {proof['max_abs_diff']:.2g}, {percent(proof['greedy_match'], 2)} of tokens agree "
        f"({place})"
    )


def _models(summary: RunSummary) -> list[str]:
    table = evaluation_table(summary)
    head = f"  {'model':<11}{'loss':>9}{'perplexity':>13}{'accuracy':>11}{'rows':>9}"
    return [head] + [
        f"  {row['model']:<11.11}{row['loss']:>9.3f}{figure_of(row['perplexity']):>13}"
        f"{percent(row['token accuracy']):>11}{row['rows']:>9,}"
        for row in table[:4]
    ]


def _notes(warnings: Sequence[str], room: int) -> list[str]:
    """Give as many warnings as there is room for, and say how many are left to the report."""
    lines: list[str] = []
    for number, warning in enumerate(warnings):
        note = _block(warning, "  note    ", 3)
        rest = len(warnings) - number
        if len(lines) + len(note) + 1 + (rest > 1) > room:
            return ["", *lines, f"  note    {rest} more in the report"]
        lines += note
    return ["", *lines] if lines else []


def _steps(summary: RunSummary) -> str:
    cached = sum(bool(step["cached"]) for step in summary.steps)
    return (
        f"{len(summary.steps)} steps, {cached} from the store, in {clock(summary.seconds)} from the first on"
    )


def _markdown(table: list[dict[str, Any]]) -> str:
    head = list(table[0])
    lines = [head, ["---"] * len(head), *([str(row[name]) for name in head] for row in table)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
