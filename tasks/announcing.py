"""Announcing: a run that is over is shown in Prefect and sent to MLflow; where that fails, its folder has it all."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.core.errors import ServiceError
from tasks.core.receipts import Evaluation
from tasks.core.registry.client import open_registry, version_page
from tasks.core.report.markdown_page import summary_markdown
from tasks.core.report.receipt_texts import receipts_table
from tasks.core.report.registry_texts import gain_figures, harness_figures
from tasks.core.report.summary import RunSummary
from tasks.core.report.sweep_tables import trials_table
from tasks.core.report.tables import (
    evaluation_table,
    rows_table,
    told_gains,
)
from tasks.journal import Journal
from tasks.lid import only_shown

# Files of a run's folder without text of the logs, and without paths, which may name people and customers.
PUBLIC_REPORT, PUBLIC_SETTINGS = "public_report.html", "public_settings.yaml"
QUALITY, EVALUATION = "quality.json", "evaluation.json"
EVALUATED = "Held-out figures"


def send_report(workspace: Path, mlflow_run: str, folder: Path, summary: RunSummary) -> None:
    """Add the public report to the MLflow run; one that cannot be sent is a warning of the summary.

    A run in which nothing was new sends one only where there is none: the one that should have may have been killed.
    """
    try:
        client = open_registry(workspace)
        if summary.status == "skipped" and client.holds(mlflow_run, "report"):
            return
        for name in (PUBLIC_REPORT, QUALITY, EVALUATION, PUBLIC_SETTINGS):
            client.log_files(mlflow_run, folder / name, "report")
        if summary.harness:
            client.log_metrics(mlflow_run, harness_figures(summary.harness))
        if summary.gains:
            client.log_metrics(mlflow_run, gain_figures(told_gains(summary)))
    except ServiceError as error:
        warning = f"The report was not sent to MLflow: {error.message}"
        summary.warnings.append(warning)
        summary.cures[warning] = error.cure


def show_run(followed: Journal, summary: RunSummary, report: Path, curve: Path | None) -> None:
    """Show a run in Prefect: all of it as one page, with the picture of its loss, and the figures as tables."""
    with only_shown():
        model = summary.model
        page = version_page(model["name"], model["version"]) if "version" in model else ""
        whole = summary_markdown(summary, curve=curve, report=report, version_page=page)
        create_markdown_artifact(key="summary", markdown=whole, description="The run from its verdict on")
    made = [(step.name, step.part, step.cached, receipt) for step, receipt in followed.made]
    _show_table("rows", rows_table(summary) if summary.rows else [], "Where the rows went")
    _show_table("trials", trials_table(summary), "What the sweep has tried")
    _show_table("evaluation", evaluation_table(summary.metrics), EVALUATED)
    _show_table("receipts", receipts_table(made), "What each step made")


def show_question(question: str, evaluations: Iterable[Evaluation]) -> None:
    """Show in Prefect what a run that waits for a word asks, and the figures behind it."""
    with only_shown():
        create_markdown_artifact(key="decision", markdown=question, description="What is to be decided")
    _show_table("evaluation", evaluation_table({one.who: one.metrics for one in evaluations}), EVALUATED)


def _show_table(key: str, table: list[dict[str, Any]], description: str) -> None:
    """Show a table that has lines."""
    with only_shown():
        if table:
            create_table_artifact(key=key, table=table, description=description)
