"""Sweep tracking: a sweep is a run in MLflow, and each of its trials one under it.

A start again of the same sweep goes on with the same runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import ServiceError
from tasks.core.fitting.plan import METRICS
from tasks.core.receipts import Adapter, ChosenTrial, Trial
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.lineage import SWEEP_KEY, TRIAL_KEY, TRIAL_STATE
from tasks.core.registry.runs import NOTE, PARENT
from tasks.core.report.registry_texts import run_name, times_of, training_figures
from tasks.core.settings import RegistrySettings, Settings
from tasks.core.store.digests import digest_value
from tasks.core.store.rows import read_rows
from tasks.journal import journal

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}


@dataclass(frozen=True)
class TrialRun:
    """The run of a trial: `sweep` and `key` tell it from every other, `params` are its settings as `section.field`."""

    sweep: str
    key: str
    title: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Tried:
    """A trial with its run, and the adapter of a complete one."""

    trial: Trial
    run: TrialRun
    adapter: Adapter | None


def trial_run(sweep: str, name: str, point: Mapping[str, Any], settings: Settings) -> TrialRun:
    """Name the run of a trial of these settings."""
    sections = {"lora": settings.lora.in_key(), "training": settings.training.in_key()}
    params = {
        f"{part}.{field}": value for part, fields in sections.items() for field, value in fields.items()
    }
    return TrialRun(sweep, digest_value([sweep, dict(point)])[:32], name, params)


def open_trial(client: Registry, registry: RegistrySettings, trial: TrialRun, began: float) -> str:
    """Open the run of a trial, under that of its sweep; give its id."""
    parent = open_sweep(client, registry, trial.sweep, began)
    tags = {TRIAL_KEY: trial.key, PARENT: parent}
    run = client.start_run(registry.experiment, trial.title, tags, began=began)
    client.log_params(run, trial.params)
    return run


def open_sweep(client: Registry, registry: RegistrySettings, sweep: str, began: float) -> str:
    """Open the run of a sweep; give its id."""
    name = f"sweep of {run_name(registry.name, began)}"
    run = client.start_run(registry.experiment, name, {SWEEP_KEY: sweep}, began=began)
    client.reopen_run(run)
    return run


def send_sweep(
    workspace: Path,
    registry: RegistrySettings,
    sweep: str,
    params: Mapping[str, Any],
    tried: Sequence[Tried],
    chosen: ChosenTrial,
    began: float,
) -> None:
    """Complete the runs of a sweep: what came of every trial, also of those from the store, and which is the best.

    Where MLflow is away, a warning says so; a start again sends it.
    """
    try:
        client = open_registry(workspace)
        for one in tried:
            _send_trial(client, workspace, registry, one, began)
        run = open_sweep(client, registry, sweep, began)
        client.log_params(run, params)
        client.log_metrics(run, _figures(chosen))
        client.tag_run(run, {NOTE: chosen.reason})
        client.finish_run(run)
    except ServiceError as error:
        journal().warn(f"The trials of the sweep are not whole in MLflow: {error.message}", error.cure)


def end_sweep(workspace: Path, registry: RegistrySettings, sweep: str, status: str, began: float) -> None:
    """Close the run of a sweep that did not come to its end, as `FAILED` or `KILLED`."""
    try:
        client = open_registry(workspace)
        client.finish_run(open_sweep(client, registry, sweep, began), status)
    except ServiceError as error:
        journal().warn(f"MLflow was not told that the sweep has ended: {error.message}", error.cure)


def _send_trial(
    client: Registry, workspace: Path, registry: RegistrySettings, one: Tried, began: float
) -> None:
    run = open_trial(client, registry, one.run, began)
    if client.run_tags(run).get(TRIAL_STATE) == one.trial.state:
        return
    if one.adapter:
        steps = read_rows(one.adapter.folder(workspace) / METRICS)
        client.log_metrics(run, training_figures(steps), times_of(steps))
    if one.trial.loss is not None:
        client.log_metrics(run, [("trial/loss", one.trial.loss, 0), ("trial/steps", one.trial.step, 0)])
    client.tag_run(run, {TRIAL_STATE: one.trial.state})
    client.finish_run(run, STATUS[one.trial.state])


def _figures(chosen: ChosenTrial) -> list[tuple[str, float, int]]:
    losses = [one.loss for one in chosen.trials if one.number == chosen.number and one.loss is not None]
    counts = [(f"trials/{name}", float(count), 0) for name, count in chosen.counts.items()]
    return [*counts, *(("trial/loss", loss, 0) for loss in losses)]
