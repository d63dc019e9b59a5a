"""Reporting: what a run leaves behind in its folder, its report first of all."""

import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tasks.announcing import EVALUATION, PUBLIC_REPORT, PUBLIC_SETTINGS, QUALITY, send_report, show_run
from tasks.core.errors import FreshtuneError, ServiceError
from tasks.core.fitting.plan import METRICS
from tasks.core.quality.data_docs import build_data_docs
from tasks.core.receipts import (
    Adapter,
    BaseModel,
    Decision,
    Evaluation,
    MergedModel,
    Promotion,
    Receipt,
    RegisteredModel,
    ValidExamples,
    Worth,
)
from tasks.core.registry.client import CHAMPION, open_registry
from tasks.core.report.figures import loss_curve
from tasks.core.report.gathering import (
    count_left_out,
    count_reasons,
    count_rows,
    first_of,
    gather_changes,
    gather_comparison,
    gather_golden,
    gather_golden_replies,
    gather_harness,
    gather_lengths,
    gather_quality,
    gather_replies,
    gather_samples,
    gather_start,
    gather_sweep,
    gather_training,
    gather_worth,
    read_scores,
    without_validation,
)
from tasks.core.report.page import render_page
from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import evaluation_table
from tasks.core.report.terminal import replies_text, terminal_summary
from tasks.core.settings import Settings
from tasks.core.store.artifacts import MANIFEST, drafting, find, locked
from tasks.core.store.digests import digest_value
from tasks.core.store.keys import code_digest, key_of
from tasks.core.store.locks import at_work, exclusive
from tasks.core.store.quarantine import write_quarantine
from tasks.core.store.rows import read_rows
from tasks.core.store.run_files import (
    AT_WORK,
    DATA_DOCS,
    OUTCOME,
    RECEIPTS,
    REPLIES,
    REPORT,
    SAMPLES,
    SETTINGS,
    TABLE,
)
from tasks.core.store.syncing import write_whole
from tasks.journal import Journal, journal
from tasks.notifying import notify

logger = logging.getLogger("freshtune")
R = TypeVar("R", bound=Receipt)
TOLD = ("name", "state", "cached", "seconds")  # of a step; the name of its log file is for whoever runs it
# Settings that may name people and customers.
PLACES = {
    "logs": {"paths"},
    "model": {"base"},
    "quality": {"suites"},
    "evaluation": {"golden", "harness"},
    "judge": {"url"},
}
FIGURE = "loss_curve.png"


@dataclass
class Run:
    """One run while it goes on: its folder, its journal, and at the end its public figures."""

    settings: Settings
    run_id: str
    journal: Journal
    began: float = field(default_factory=time.monotonic)
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S %z"))
    outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Give the run's folder."""
        return self.settings.workspace / "runs" / self.run_id

    def find(self, kind: type[R]) -> R | None:
        """Give the first receipt of a kind, if the run came so far; a champion's adapter comes after the run's own."""
        return first_of(self.journal.receipts, kind)


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
        text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (run.folder / SETTINGS).write_text(text, encoding="utf-8")
        try:
            yield run
        except FreshtuneError as error:
            _leave_failed(run, type(error).__name__, error.message, error.cure, error.exit_code)
            raise
        except Exception as error:
            _leave_failed(run, type(error).__name__, "A bug in Freshtune ended the run.", "", 1)
            raise
        status, reason = _verdict(run)
        _leave(run, _summarize(run, status, reason, None))


def _leave_failed(run: Run, kind: str, message: str, cure: str, exit_code: int) -> None:
    """Leave what a failed run did; where even that cannot be written, the failure itself is what is told."""
    error = {"type": kind, "message": message, "cure": cure, "exit_code": exit_code}
    try:
        _leave(run, _summarize(run, "failed", message, error))
    except (OSError, FreshtuneError) as second:
        logger.warning("the run's folder could not be completed: %s", type(second).__name__)


def _verdict(run: Run) -> tuple[str, str]:
    """Say how the run ended, and why."""
    promotion, worth = run.find(Promotion), run.find(Worth)
    if worth and not worth.train:
        return "skipped", worth.reason
    if promotion is None:
        examples = run.find(ValidExamples)
        return "checked", f"{examples.counts['kept'] if examples else 0:,} examples are ready to train on."
    if run.journal.steps[-1].cached:
        same = f"version {promotion.version} is champion already."
        return "skipped", f"Nothing is new: {same if promotion.moved else promotion.reason}"
    if promotion.moved:
        return "promoted", promotion.reason
    return "awaiting-approval" if promotion.waits else "kept", promotion.reason


def _summarize(run: Run, status: str, reason: str, error: dict[str, Any] | None) -> RunSummary:
    merged, decision = run.find(MergedModel), run.find(Decision)
    receipts, place = run.journal.receipts, run.settings.workspace
    table, doors = run.folder / TABLE, gather_quality(receipts, place)
    write_quarantine(table, receipts, place, run.journal.sources)
    _document(run, doors)
    return RunSummary(
        status=status,
        reason=reason,
        run_id=run.run_id,
        started=run.started,
        seconds=round(time.monotonic() - run.began, 1),
        rows=count_rows(receipts),
        reasons=count_reasons(table),
        changes=gather_changes(receipts, place),
        redaction=read_scores(),
        lengths=gather_lengths(receipts, place),
        notes=_notes(run),
        worth=gather_worth(receipts),
        start=gather_start(receipts),
        sweep=gather_sweep(receipts),
        steps=[{name: getattr(step, name) for name in TOLD} for step in run.journal.steps],
        model=_model(run),
        metrics={one.who: one.metrics for one in receipts if isinstance(one, Evaluation)},
        gains=decision.gains if decision else {},
        slices=decision.slices if decision else [],
        earlier=decision.earlier if decision else "",
        general=decision.general if decision else {},
        golden=gather_golden(receipts, place),
        comparison=gather_comparison(receipts),
        harness=gather_harness(receipts),
        merge=merged.proof if merged else {},
        training=gather_training(receipts, place),
        quality=without_validation(doors),
        settings=run.settings.model_dump(
            mode="json",
            exclude={"workspace": True, **PLACES},
        ),
        warnings=_warnings(run),
        replies=gather_replies(receipts, place, run.settings.evaluation.replies),
        golden_replies=gather_golden_replies(receipts, place),
        samples=gather_samples(receipts, place),
        error=error,
    )


def _document(run: Run, doors: list[dict[str, Any]]) -> None:
    """Give the run its Data Docs; those of the same results are drawn once, since that takes seconds."""
    place, inputs = run.settings.workspace, {"doors": digest_value(doors)}
    key = key_of(DATA_DOCS, code_digest("tasks.core.quality.data_docs"), inputs, ("great-expectations",))
    with locked(place, DATA_DOCS, key):
        docs = find(place, DATA_DOCS, key, Receipt)
        if docs is None:
            with drafting(place, DATA_DOCS, key, inputs) as draft:
                build_data_docs(doors, draft.folder)
                docs = draft.seal(Receipt)
    shutil.copytree(docs.folder(place), run.folder / DATA_DOCS, ignore=shutil.ignore_patterns(MANIFEST))


def _notes(run: Run) -> list[str]:
    """Say what was found out on the way."""
    count = count_left_out(run.journal.receipts)
    left_out = f"{count:,} turns of neither side (system messages, internal notes) were left out."
    return [*run.journal.notes, *([left_out] if count else [])]


def _warnings(run: Run) -> list[str]:
    """Say what went otherwise than planned, in this run or when the adapter that it uses was trained."""
    adapter = run.find(Adapter)
    return [*run.journal.warnings, *(adapter.training.get("notes", ()) if adapter else ())]


def _model(run: Run) -> dict[str, Any]:
    registered, adapter, base = run.find(RegisteredModel), run.find(Adapter), run.find(BaseModel)
    if registered is None or adapter is None:
        return {}
    return {
        "name": registered.name,
        "version": registered.version,
        "aliases": _aliases(run, registered),
        "adapter_digest": adapter.adapter_digest,
        "base_identity": base.identity if base else "",
        "mlflow_run_id": registered.run_id,
    }


def _aliases(run: Run, registered: RegisteredModel) -> list[str]:
    """Ask the registry for a version's aliases; when it is away, say what the run's own receipts say."""
    try:
        version = open_registry(run.settings.workspace).version(registered.name, registered.version)
    except ServiceError as error:
        promotion = run.find(Promotion)
        run.journal.warnings.append(f"The aliases are those of the run's own receipts: {error.message}")
        return [CHAMPION] if promotion and promotion.moved else []
    return list(version.aliases) if version else []


def _leave(run: Run, summary: RunSummary) -> None:
    """Write the run's folder, the outcome last, and show the run in Prefect and MLflow."""
    folder = run.folder
    figure = _figure(run)
    write_whole(folder / RECEIPTS, json.dumps([_named(one) for one in run.journal.receipts], indent=1))
    write_whole(folder / QUALITY, json.dumps(summary.quality, indent=1))
    write_whole(folder / EVALUATION, json.dumps(evaluation_table(summary.metrics), indent=1))
    write_whole(folder / SAMPLES, json.dumps(summary.samples, indent=1, ensure_ascii=False))
    write_whole(folder / REPLIES, replies_text(summary.replies, summary.golden_replies))
    write_whole(folder / REPORT, render_page(summary, figure, f"{DATA_DOCS}/index.html"))
    write_whole(folder / PUBLIC_REPORT, render_page(summary.public(), figure))
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
    show_run(run.journal, folder / REPORT, summary)


def _figure(run: Run) -> bytes | None:
    adapter = run.find(Adapter)
    if adapter is None:
        return None
    metrics = adapter.folder(run.settings.workspace) / METRICS
    shutil.copyfile(metrics, run.folder / METRICS)
    loss_curve(read_rows(metrics), run.folder / FIGURE)
    return (run.folder / FIGURE).read_bytes()


def _named(receipt: Receipt) -> dict[str, Any]:
    return {"kind": type(receipt).__name__, **receipt.model_dump(mode="json")}
