"""Tables and texts of a run, for the terminal, for Prefect's artifacts and for the page."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from tasks.core.report.summary import FATES, RunSummary

UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
WIDTH = 96
WORDS = {
    "promoted": "promoted",
    "kept": "kept the champion that was",
    "awaiting-approval": "awaiting approval",
    "skipped": "nothing to do",
    "failed": "failed",
    "checked": "checked",
}


def rows_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give what became of the rows; the counts of all but the first add up to it."""
    names = ("in", "kept", *FATES)
    return [{"rows": name.replace("_", " "), "count": summary.rows.get(name, 0)} for name in names]


def evaluation_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give the models' held-out figures side by side."""
    return [
        {
            "model": who,
            "loss": round(figures["loss"], 4),
            "perplexity": round(figures["perplexity"], 2),
            "token accuracy": round(figures["token_accuracy"], 4),
            "rows": int(figures["rows"]),
            "reply tokens": int(figures["tokens"]),
        }
        for who, figures in summary.metrics.items()
    ]


def headline(summary: RunSummary) -> str:
    """Say by how much the held-out loss fell, in one sentence; empty without both figures."""
    base, challenger = summary.metrics.get("base"), summary.metrics.get("challenger")
    if not base or not challenger:
        return ""
    share = 1 - challenger["loss"] / base["loss"]
    word = "lower" if share >= 0 else "higher"
    return (
        f"Held-out loss {base['loss']:.3f} → {challenger['loss']:.3f} nats per token, {abs(share):.0%} {word} than the base "
        f"on {int(challenger['rows'])} rows."
    )


def summary_markdown(summary: RunSummary) -> str:
    """Give the run as markdown, without any text from the logs."""
    parts = [f"# {WORDS.get(summary.status, summary.status).capitalize()}", summary.reason, headline(summary)]
    if summary.rows:
        parts.append(_markdown(rows_table(summary)))
    if summary.metrics:
        parts.append(_markdown(evaluation_table(summary)))
    parts += [f"- {warning}" for warning in summary.warnings]
    return "\n\n".join(filter(None, parts)) + "\n"


def terminal_summary(summary: RunSummary, report: str) -> str:
    """Give the run as at most thirty lines of plain text, a hundred columns wide."""
    lines = [f"{WORDS.get(summary.status, summary.status).upper()}  {_model(summary)}".rstrip()]
    lines += textwrap.wrap(summary.reason, WIDTH, initial_indent="  ", subsequent_indent="  ")
    if headline(summary):
        lines += ["", *textwrap.wrap(headline(summary), WIDTH, initial_indent="  ", subsequent_indent="  ")]
    if summary.rows:
        lines += ["", f"  rows    {_sum(summary)}"]
        lines += [f"          {_split(summary)}"] if "train" in summary.rows else []
    if summary.metrics:
        lines += ["", "  model         loss   perplexity   accuracy     rows"]
        lines += [
            f"  {row['model']:<11}{row['loss']:>7.3f}{row['perplexity']:>13.1f}{row['token accuracy']:>11.1%}{row['rows']:>9}"
            for row in evaluation_table(summary)
        ]
    if summary.merge:
        lines += ["", f"  merge   {_merge(summary)}"]
    lines += [f"  note    {warning}" for warning in summary.warnings]
    lines += ["", f"  {_steps(summary)}", f"  report  {report}"]
    return "\n".join(UNSAFE.sub("", line) for line in lines) + "\n"


def replies_text(replies: Sequence[dict[str, str]]) -> str:
    """Give replies before and after training, for the terminal of whoever may read the logs."""
    parts = []
    for number, reply in enumerate(replies, 1):
        parts.append(f"── {number} " + "─" * (WIDTH - 5))
        for label, key in (
            ("question", "question"),
            ("human", "reference"),
            ("base", "base"),
            ("tuned", "challenger"),
        ):
            text = UNSAFE.sub("", " ".join(reply.get(key, "").split())) or "(nothing)"
            parts += textwrap.wrap(text, WIDTH, initial_indent=f"{label:<10}", subsequent_indent=" " * 10)
            parts.append("")
    return "\n".join(parts)


def _model(summary: RunSummary) -> str:
    if "version" not in summary.model:
        return ""
    aliases = ", ".join(summary.model.get("aliases", []))
    return f"{summary.model['name']} version {summary.model['version']}" + (
        f" ({aliases})" if aliases else ""
    )


def _sum(summary: RunSummary) -> str:
    parts = [f"{summary.rows.get('kept', 0)} kept"]
    parts += [f"{summary.rows[fate]} {fate.replace('_', ' ')}" for fate in FATES if summary.rows.get(fate)]
    return f"{summary.rows.get('in', 0)} in = " + " + ".join(parts)


def _split(summary: RunSummary) -> str:
    return f"{summary.rows['train']} to train on, {summary.rows.get('held_out', 0)} held out"


def _merge(summary: RunSummary) -> str:
    proof = summary.merge
    return (
        f"logits differ by at most {proof['max_abs_diff']:.2g}, {proof['greedy_match']:.1%} of tokens agree "
        f"(into the {proof['merged_into']})"
    )


def _steps(summary: RunSummary) -> str:
    cached = sum(bool(step["cached"]) for step in summary.steps)
    return f"{len(summary.steps)} steps, {cached} from the store, {summary.seconds:.0f} s"


def _markdown(table: list[dict[str, Any]]) -> str:
    head = list(table[0])
    lines = [head, ["---"] * len(head), *([str(row[name]) for name in head] for row in table)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
