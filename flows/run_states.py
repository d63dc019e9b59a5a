"""Run states: a run whose process is gone is not "Running" for ever; its page says what became of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import psutil
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Completed, Crashed, Failed, Scheduled

from flows.deployed import TAG
from flows.environment import HERE
from tasks.core.errors import ServiceError
from tasks.core.operating.orphans import end_orphans, orphans
from tasks.core.report.tables import verdict
from tasks.core.store.locks import is_held
from tasks.core.store.run_files import AT_WORK, read_outcome
from tasks.notifying import notify

KILLED = "Its process ended without a word: killed, or the machine stopped. Start it again: it goes on from what is complete."
STOPPED = "Cancelled. Start it again: it goes on from what is complete."
AGAIN = "The worker that took it was killed; it waits for another one."
DAY = timedelta(days=1)
# Between a worker's taking a run and its first state, without and with a process of it here.
START, LONG_START = timedelta(minutes=2), timedelta(minutes=4)


def settle_runs(workspace: Path) -> list[str]:
    """Give every run of this workspace whose process is gone its true state; say what was done, a line each.

    A run that reached its end while the server was away becomes what its folder says it is; another one has crashed, and
    people are told, also where Prefect found that out itself. Its steps end with it, so that nobody waits for what they held.
    One that a worker took, and never began, waits for another worker. A cancelled one whose worker was killed is ended here.
    Raises `ServiceError` when the server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            # One after the other: the second sees what was settled by the first.
            found = chain(_cancelled(client, workspace), _gone(client, workspace))
            return [_settle(client, run, state) for run, state in found]
    except httpx.HTTPError as error:
        raise ServiceError(
            f"Prefect does not answer ({type(error).__name__}).", cure="It is asked again."
        ) from error


def _cancelled(client: SyncPrefectClient, workspace: Path) -> Iterator[tuple[FlowRun, State]]:
    """End the runs that somebody cancelled and whose worker, which would end them, was killed."""
    mine = orphans(workspace, HERE)
    asked = {"state": {"type": {"any_": ["CANCELLING"]}}}
    for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(asked)):
        if str(run.id) in mine:
            end_orphans(mine[str(run.id)])
            yield run, Cancelled(message=STOPPED)


def _gone(client: SyncPrefectClient, workspace: Path) -> Iterator[tuple[FlowRun, State]]:
    """Find the runs that cannot be what Prefect says, or of which it does not say why they crashed."""
    lately = (datetime.now(UTC) - DAY).isoformat()
    for asked in (
        {"state": {"type": {"any_": ["RUNNING", "PAUSED", "CANCELLING"]}}},
        {"state": {"type": {"any_": ["CRASHED"]}}, "end_time": {"after_": lately}},
    ):
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(asked)):
            folder = workspace / "runs" / run.name.rpartition(" ")[2]
            ended = (folder / AT_WORK).exists() and not is_held(folder / AT_WORK)
            if ended and run.state and run.state.message != KILLED:
                yield run, _true_state(run.state, folder)
    ours = {"state": {"type": {"any_": ["PENDING"]}}, "tags": {"all_": [TAG]}}
    for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(ours)):
        if run.state and _is_lost(run, datetime.now(UTC) - run.state.timestamp):
            yield run, Scheduled(scheduled_time=datetime.now(UTC), message=AGAIN)


def _is_lost(run: FlowRun, since: timedelta) -> bool:
    """Say whether the worker that took a run was killed before the run began; a process of it here has more time to begin."""
    pid = (run.infrastructure_pid or "").rpartition(":")[2]
    begins = pid.isdigit() and psutil.pid_exists(int(pid))
    return since > (LONG_START if begins else START)


def _true_state(told: State, folder: Path) -> State:
    """Say what a run is whose process is gone."""
    outcome = _outcome(folder)
    if outcome is None:
        return Cancelled(message=STOPPED) if told.is_cancelling() else Crashed(message=KILLED)
    if outcome["status"] == "failed":
        return Failed(message=outcome["reason"])
    return Completed(message=verdict(outcome["status"], outcome["reason"]))


def _outcome(folder: Path) -> dict[str, Any] | None:
    try:
        return read_outcome(folder)
    except ValueError:
        return None


def _settle(client: SyncPrefectClient, run: FlowRun, state: State) -> str:
    asked = {"flow_run_id": {"any_": [run.id]}, "state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    for step in client.read_task_runs(task_run_filter=TaskRunFilter.model_validate(asked)):
        client.set_task_run_state(step.id, Crashed(message="Its run has ended."), force=True)
    client.set_flow_run_state(run.id, state, force=True)
    model, _, run_id = run.name.rpartition(" ")
    problem = notify(model, "failed", str(state.message), run_id) if state.is_crashed() else ""
    return " ".join([f"{run.name}: {state.name}.", problem]).rstrip()
