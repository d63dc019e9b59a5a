"""Summarizing: what a run did, gathered from its journal, its receipts and the registry, as its summary."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from tasks.core.errors import ServiceError
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
from tasks.core.report.ancestry import gather_files, gather_lineage, gather_spread
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
from tasks.core.report.summary import RunSummary
from tasks.core.settings import Settings
from tasks.core.store.artifacts import MANIFEST, drafting, find, locked
from tasks.core.store.digests import digest_value
from tasks.core.store.keys import code_digest, key_of
from tasks.core.store.quarantine import write_quarantine
from tasks.core.store.run_files import DATA_DOCS, TABLE
from tasks.journal import Journal

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
TRAINER = "tasks.adapter_training"  # by whose code, and what it uses, a version is known
# What shapes what a run makes, from the logs to the version.
PACKAGES = (
    "great-expectations",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "prefect",
    "mlflow",
)


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


def verdict_of(run: Run) -> tuple[str, str]:
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


def summarize(run: Run, status: str, reason: str, error: dict[str, Any] | None) -> RunSummary:
    """Gather what a run did; its folder gets the quarantine and the Data Docs that the summary counts."""
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
        spread=gather_spread(receipts, place),
        lengths=gather_lengths(receipts, place),
        notes=_notes(run),
        worth=gather_worth(receipts),
        start=gather_start(receipts),
        sweep=gather_sweep(receipts),
        steps=[{name: getattr(step, name) for name in TOLD} for step in run.journal.steps],
        model=_model(run),
        lineage=gather_lineage(receipts, dict(_packages()), code_digest(TRAINER)),
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
        cures=dict(run.journal.cures),
        files=gather_files(run.journal.sources),
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


def _packages() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        yield name, metadata.version(name)


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
        run.journal.warn(f"The aliases are those of the run's own receipts: {error.message}", error.cure)
        return [CHAMPION] if promotion and promotion.moved else []
    return list(version.aliases) if version else []
