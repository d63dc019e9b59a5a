"""The run on one page of markdown, in the order in which one reads it: Prefect shows artifacts in no order of their own."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.report.suites import gather_suites
from tasks.core.report.summary import RunSummary
from tasks.core.report.sweep_tables import sweep_line, trials_table
from tasks.core.report.tables import (
    comparison_line,
    earlier_line,
    evaluation_table,
    general_line,
    golden_line,
    golden_table,
    harness_table,
    headline,
    interval,
    merge_line,
    model_of,
    news_line,
    replies_table,
    rows_table,
    sentence,
    start_line,
    word_of,
)
from tasks.core.report.wording import clock, counted

PREDICTIONS = "predictions"  # the suite on what models say; the evaluation tells of each


def summary_markdown(
    summary: RunSummary, *, curve: Path | None = None, report: Path | None = None, version_page: str = ""
) -> str:
    """Give the run as markdown, without any text from the logs.

    `curve` is a picture of the loss, which goes along, `report` the page on the run's machine, and `version_page` the address of
    the registered version.
    """
    chapters = {
        "Data": _data(summary),
        "Training": _training(summary, curve),
        "Evaluation": _evaluation(summary),
        "Merge": [sentence(merge_line(summary))],
        "Where it is": _places(summary, report, version_page),
    }
    told = _verdict(summary)
    for name, parts in chapters.items():
        said = [part for part in parts if part]
        told += [f"## {name}", *said] if said else []
    return "\n\n".join(told) + "\n"


def _verdict(summary: RunSummary) -> list[str]:
    cure = summary.error["cure"] if summary.error else ""
    parts = (
        f"# {word_of(summary).capitalize()}",
        summary.reason,
        cure,
        headline(summary),
        _listed(summary.warnings),
    )
    return [part for part in parts if part]


def _data(summary: RunSummary) -> list[str]:
    if not summary.rows:
        return []
    return [news_line(summary), _markdown(rows_table(summary)), _markdown(_suites_table(summary))]


def _suites_table(summary: RunSummary) -> list[dict[str, Any]]:
    """Give what the expectations said of the rows, suite by suite."""
    return [
        {
            "suite": suite["name"],
            "rows": suite["rows"],
            "expectations": len(suite["checks"]),
            "not met": sum(not check["passed"] for check in suite["checks"]),
        }
        for suite in gather_suites(door for door in summary.quality if door["suite"] != PREDICTIONS)
    ]


def _training(summary: RunSummary, curve: Path | None) -> list[str]:
    training = summary.training
    told = [sentence(f"the training goes on {start_line(summary)}")] if summary.start else []
    if summary.sweep:
        told += [sweep_line(summary), _markdown(trials_table(summary))]
    if "seconds" in training:
        told.append(
            f"{counted(training['steps'], 'step')} in {clock(training['seconds'])}, {training['tokens']:,} tokens; "
            f"the last step's loss was {training['final_loss']:.3f} nats per token."
        )
    if curve is not None:
        picture = base64.b64encode(curve.read_bytes()).decode()
        told.append(f"![Loss by optimizer step](data:image/png;base64,{picture})")
    return told


def _evaluation(summary: RunSummary) -> list[str]:
    golden = [f"Golden cases: {golden_line(summary)}."] if summary.golden else []
    judged = [f"Replies: {comparison_line(summary)}."] if summary.comparison else []
    gains = [f"The gain over the {who} is {interval(gain)}." for who, gain in summary.gains.items()]
    others = [sentence(line) for line in (earlier_line(summary), general_line(summary)) if line]
    return [
        _markdown(evaluation_table(summary.metrics)),
        _markdown(replies_table(summary)),
        *golden,
        _markdown(golden_table(summary)),
        _markdown(harness_table(summary)),
        *judged,
        _listed([*gains, *others]),
    ]


def _places(summary: RunSummary, report: Path | None, version_page: str) -> list[str]:
    """Say where all is; a browser follows no link from a web page to a file."""
    model = model_of(summary)
    told = [f"[{model}]({version_page})" if model and version_page else model]
    if report is not None:
        told += [
            "The report, on the machine of the run; it may hold text from the logs:",
            f"```\n{report}\n```",
            f"In the terminal: `freshtune show {summary.run_id}`",
        ]
    return told


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _markdown(table: Sequence[Mapping[str, Any]]) -> str:
    """Write a table; nothing for one without lines."""
    if not table:
        return ""
    head = list(table[0])
    lines = [head, ["---"] * len(head), *([str(row[name]) for name in head] for row in table)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
