"""The run in a terminal: what it came to in thirty lines, and the replies beside what the team wrote."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.intake.shapes import READ_AS
from tasks.core.report.summary import RunSummary
from tasks.core.report.sweep_tables import choice_line, trials_table
from tasks.core.report.tables import (
    comparison_line,
    earlier_line,
    evaluation_table,
    figure_of,
    general_words,
    golden_line,
    headline,
    interval,
    merge_line,
    model_of,
    news_line,
    plain,
    rows_table,
    word_of,
)
from tasks.core.report.wording import clock, percent

WIDTH, LINES = 96, 30
BEST, CELL = 4, 24  # trials in the terminal, and characters of what one of them tried
LEAST_NOTES = 4  # lines that are left for warnings


def terminal_summary(summary: RunSummary, report: str) -> str:
    """Give the run as at most thirty lines of plain text, a hundred columns wide; only a longer path stays whole."""
    lines = _block(model_of(summary), f"{word_of(summary).upper()}  ", 1) or [word_of(summary).upper()]
    lines += _block(summary.reason, "  ", 3 if summary.error else 4)
    lines += _block(summary.error["cure"], "  ", 2) if summary.error else []
    lines += ["", *_block(headline(summary), "  ", 2)] if headline(summary) else []
    facts = _facts(summary)
    lines += ["", *facts] if facts else []
    if summary.metrics:
        lines += ["", *_models(summary)]
    ending = ["", f"  {_steps(summary)}", f"  report  {plain(report)}"]
    lines += _trials(summary, LINES - len(lines) - len(ending) - (LEAST_NOTES if summary.warnings else 0))
    notes = _notes(summary.warnings, LINES - len(lines) - len(ending))
    return "\n".join([*lines, *notes, *ending]) + "\n"


def replies_text(
    replies: Sequence[dict[str, str]],
    golden: Sequence[dict[str, Any]] = (),
    width: int = WIDTH,
    figures: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Give replies before and after training, then those to golden cases, for the terminal of whoever may read the logs.

    The `figures` of all replies that were written say first how near they came to the team's.
    """
    sides = (
        ("question", "question"),
        ("support team", "reference"),
        ("base", "base"),
        ("challenger", "challenger"),
    )
    parts = []
    if figures:
        told = "; ".join(f"{one['model']} {one['chrF']}, {one['came to an end']}" for one in figures)
        near = "How near to the team's replies (chrF, 0 to 100), and how many came to an end by themselves"
        parts += [*_block(f"{near}: {told}. A few of them:", "", 3), ""]
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
        lines.append(f"          {_taught(summary)}, {summary.rows.get('held_out', 0):,} held out")
    lines += _block(_shape(summary), "  read    ", 2)
    lines += _block(news_line(summary), "  worth   ", 1)
    lines += _block(choice_line(summary), "  sweep   ", 1)
    untold = [one for one in summary.gains.items() if not _is_told(*one, summary.reason)]
    for who, gain in untold[:2]:
        groups = f" ({gain['groups']:,.0f} requesters)" if "groups" in gain else ""
        lines += _block(f"over the {who} {interval(gain)} nats per token{groups}", "  gain    ", 1)
    lines += _block(golden_line(summary), "  golden  ", 1)
    lines += _block(comparison_line(summary), "  judge   ", 1)
    lines += _block(earlier_line(summary).partition(": ")[2], "  earlier ", 1)
    lines += _block(_general(summary), "  general ", 1)
    return lines + _block(merge_line(summary), "  merge   ", 1)


def _general(summary: RunSummary) -> str:
    """Say what is gained on general text, and, where nothing fell, what loss the gate allows there, if it judges that at all."""
    if not summary.general:
        return ""
    most = summary.settings.get("gate", {}).get("max_general_loss")
    rule = "" if summary.general["fell"] else f" ({f'allowed: {-most:g}' if most else 'not judged'})"
    return general_words(summary.general, "over") + rule


def _shape(summary: RunSummary) -> str:
    """Say what was read as what, where that is what a run was for, or may be why it failed."""
    shapes = [note.removeprefix(READ_AS) for note in summary.notes if note.startswith(READ_AS)]
    return " ".join(shapes) if summary.status in ("checked", "failed") else ""


def _taught(summary: RunSummary) -> str:
    """Say how many rows there are to train on, and of a training that goes on from a version, which."""
    if not summary.start:
        return f"{summary.rows['train']:,} to train on"
    names = ("version", "new", "replayed", "left_out")
    version, new, replayed, left_out = (summary.start[name] for name in names)
    return f"on from version {version}: {new:,} new and {replayed:,} replayed to train on, {left_out:,} known left out"


def _is_told(who: str, gain: dict[str, float], reason: str) -> bool:
    return f"over the {who} {gain['mean']:+.3f}" in reason


def _sum(summary: RunSummary) -> str:
    total, *parts = rows_table(summary)
    shown = [f"{part['count']:,} {part['rows']}" for part in parts if part["count"] or part["rows"] == "kept"]
    return f"{total['count']:,} in = " + " + ".join(shown)


def _models(summary: RunSummary) -> list[str]:
    table = evaluation_table(summary.metrics)
    head = f"  {'model':<11}{'loss':>9}{'perplexity':>13}{'accuracy':>11}{'rows':>9}"
    return [head] + [
        f"  {row['model']:<11.11}{row['loss']:>9.3f}{figure_of(row['perplexity']):>13}"
        f"{percent(row['token accuracy']):>11}{row['rows']:>9,}"
        for row in table[:4]
    ]


def _trials(summary: RunSummary, room: int) -> list[str]:
    """Give the best trials, as far as there is room; the report has them all."""
    most = min(BEST, room - 3)  # an empty line, the head, and one that says how many there are more
    if not summary.sweep or most < 1:
        return []
    table = sorted(trials_table(summary), key=lambda row: (row["outcome"] != "chosen", row["loss"] or "~"))
    shown = [{name: _cell(str(value)) for name, value in row.items()} for row in table[:most]]
    widths = {name: max(len(name), *(len(row[name]) for row in shown)) for name in shown[0]}
    head = "  ".join(f"{name:>{width}}" for name, width in widths.items())
    rows = ["  ".join(f"{row[name]:>{width}}" for name, width in widths.items()) for row in shown]
    rest = len(table) - len(shown)
    return ["", *(f"  {line}" for line in (head, *rows))] + ([f"  {rest} more in the report"] if rest else [])


def _cell(text: str) -> str:
    """Cut a cell of a table to what leaves room for the others."""
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


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
