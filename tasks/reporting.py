"""Reporting: what a run leaves behind in its folder, its report first of all."""

import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import yaml

from tasks.announcing import EVALUATION, PUBLIC_REPORT, PUBLIC_SETTINGS, QUALITY, send_report, show_run
from tasks.core.errors import FreshtuneError
from tasks.core.fitting.plan import METRICS
from tasks.core.page.charts import draw_charts
from tasks.core.page.rendering import render_page
from tasks.core.planning.story import TRAINING
from tasks.core.receipts import Adapter, Receipt, RegisteredModel
from tasks.core.report.figures import loss_curve
from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import evaluation_table, replies_table
from tasks.core.report.terminal import replies_text, terminal_summary
from tasks.core.settings import Settings
from tasks.core.store.locks import at_work, exclusive
from tasks.core.store.outputs import keep_output
from tasks.core.store.rows import read_rows
from tasks.core.store.run_files import (
    AT_WORK,
    DATA_DOCS,
    OUTCOME,
    OUTPUT,
    RECEIPTS,
    REPLIES,
    REPORT,
    SAMPLES,
    SETTINGS,
)
from tasks.core.store.syncing import write_whole
from tasks.journal import journal
from tasks.notifying import notify
from tasks.summarizing import Run, summarize, verdict_of

logger = logging.getLogger("freshtune")
FIGURE = "loss_curve.png"


def new_run_id() -> str:
    """Give a name for a run that says when it began."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


@contextmanager
def recorded(settings: Settings) -> Iterator[Run]:
    """Open a run's folder, and leave in it what the run did, also when it fails.

    The workspace is held meanwhile: nobody is forgotten in the middle of a run.
    """
    followed = journal()
    run_id, followed.run_id = followed.run_id or new_run_id(), ""
    run = Run(settings, run_id, followed)
    with ExitStack() as held, at_work(settings.workspace):
        run.folder.mkdir(parents=True, mode=0o700)
        held.enter_context(exclusive(run.folder / AT_WORK))
        keep_output(run.folder / OUTPUT)
        text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (run.folder / SETTINGS).write_text(text, encoding="utf-8")
        try:
            yield run
        except FreshtuneError as error:
            _leave_failed(run, type(error).__name__, error.message, error.cure, error.exit_code)
            error.record = run.outcome or None
            raise
        except Exception as error:
            _leave_failed(run, type(error).__name__, "A bug in Freshtune ended the run.", "", 1)
            raise
        status, reason = verdict_of(run)
        _leave(run, summarize(run, status, reason, None))


def _leave_failed(run: Run, kind: str, message: str, cure: str, exit_code: int) -> None:
    """Leave what a failed run did; where even that cannot be written, the failure itself is what is told."""
    error = {"type": kind, "message": message, "cure": cure, "exit_code": exit_code}
    try:
        _leave(run, summarize(run, "failed", message, error))
    except (OSError, FreshtuneError) as second:
        logger.warning("the run's folder could not be completed: %s", type(second).__name__)


def _leave(run: Run, summary: RunSummary) -> None:
    """Write the run's folder, the outcome last, and show the run in Prefect and MLflow."""
    folder = run.folder
    charts = draw_charts(summary, _curve(run))
    write_whole(folder / RECEIPTS, json.dumps([_named(one) for one in run.journal.receipts], indent=1))
    write_whole(folder / QUALITY, json.dumps(summary.quality, indent=1))
    write_whole(folder / EVALUATION, json.dumps(evaluation_table(summary.metrics), indent=1))
    write_whole(folder / SAMPLES, json.dumps(summary.samples, indent=1, ensure_ascii=False))
    write_whole(
        folder / REPLIES,
        replies_text(summary.replies, summary.golden_replies, figures=replies_table(summary)),
    )
    write_whole(folder / REPORT, render_page(summary, charts, f"{DATA_DOCS}/index.html"))
    write_whole(folder / PUBLIC_REPORT, render_page(summary.public(), charts))
    write_whole(
        folder / PUBLIC_SETTINGS, yaml.safe_dump(summary.settings, sort_keys=False, allow_unicode=True)
    )
    registered = run.find(RegisteredModel)
    if registered and summary.status != "failed":
        send_report(run.settings.workspace, registered.run_id, folder, summary)
    problem = notify(run.settings.registry.name, summary.status, summary.reason, run.run_id)
    if problem:
        summary.warnings.append(problem)
    report = os.path.relpath(folder / REPORT)
    write_whole(folder / "summary.txt", terminal_summary(summary, report))
    run.outcome = {"schema": 1, **summary.to_json(), "run_dir": str(folder), "report": str(folder / REPORT)}
    write_whole(folder / OUTCOME, json.dumps(run.outcome, indent=1))
    curve = folder / FIGURE
    show_run(run.journal, summary, folder / REPORT, curve if _trained(summary) else None)


def _trained(summary: RunSummary) -> bool:
    """Say whether this run made the adapter that it tells of; one from the store was shown by the run that did."""
    return any(step["name"] == TRAINING and not step["cached"] for step in summary.steps) and bool(
        summary.training
    )


def _curve(run: Run) -> list[dict[str, Any]]:
    """Leave the course of the training in the run's folder, as figures and as a picture; give its steps, if there are any."""
    adapter = run.find(Adapter)
    if adapter is None:
        return []
    metrics = adapter.folder(run.settings.workspace) / METRICS
    shutil.copyfile(metrics, run.folder / METRICS)
    steps = read_rows(metrics)
    loss_curve(steps, run.folder / FIGURE)
    return steps


def _named(receipt: Receipt) -> dict[str, Any]:
    return {"kind": type(receipt).__name__, **receipt.model_dump(mode="json")}
