"""A run from a door: the flow is called, its journal is followed, and Prefect's last words are waited for."""

import os
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from prefect import Flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State

from flows.answering_files import answer_file
from flows.own_server import ADDRESS, LOG, is_own_server
from flows.retrain import check, retrain
from flows.sweeping import sweep
from tasks.core.errors import FreshtuneError, ServiceError
from tasks.core.quality.checking import load_early
from tasks.core.settings import Settings
from tasks.core.store.artifacts import full_disk
from tasks.journal import JOURNAL, Journal, StepRun
from tasks.lid import only_shown

PATIENCE = 8.0  # seconds; without it the run's own server loses the last rows when the process ends


def run_retrain(settings: Settings, on_step: Callable[[StepRun], None]) -> dict[str, Any]:
    """Run the whole story here and now; give the public figures. Raises what the flow raised."""
    return _run(retrain, settings, on_step)


def run_sweep(settings: Settings, on_step: Callable[[StepRun], None]) -> dict[str, Any]:
    """Run a sweep and what comes after it here and now; give the public figures. Raises what the flow raised."""
    return _run(sweep, settings, on_step)


def run_check(settings: Settings, on_step: Callable[[StepRun], None]) -> dict[str, Any]:
    """Run the data chapter here and now; give the public figures. Raises what the flow raised."""
    return _run(check, settings, on_step)


def run_answers(settings: Settings, on_step: Callable[[StepRun], None], **asked: Any) -> dict[str, Any]:
    """Answer a file of questions here and now; give the figures. Raises what the flow raised."""
    return _run(answer_file, settings, on_step, **asked)


def _run(
    story: Flow[..., Any], settings: Settings, on_step: Callable[[StepRun], None], **given: Any
) -> dict[str, Any]:
    followed = Journal(on_step=on_step)
    token = JOURNAL.set(followed)
    early = Thread(target=load_early, daemon=True)
    if is_own_server(os.environ.get(ADDRESS, "")) and story is not answer_file:
        early.start()  # the server's start leaves a core idle for seconds
    try:
        if away := _prefect_away():
            raise full_disk(settings.workspace) or away
        state = cast("State[Any]", story(settings, **given, return_state=True))
        if state.state_details.flow_run_id:
            with only_shown():
                _drain(state.state_details.flow_run_id, len(followed.steps))
        outcome: dict[str, Any] = state.result()
    except FreshtuneError:
        raise
    except Exception as error:
        cause = followed.error or full_disk(settings.workspace) or _prefect_away()
        if cause is None:
            raise
        raise cause from error
    finally:
        JOURNAL.reset(token)
        if early.is_alive():
            early.join()  # a library cannot be imported while the process ends, and says so in many lines
    return outcome


def _prefect_away() -> ServiceError | None:
    """Say when Prefect's API does not answer: a server's, or that of the run's own."""
    problem: Exception | None
    try:
        with get_client(sync_client=True) as client:
            problem = client.api_healthcheck()
    except FreshtuneError:  # a signal's
        raise
    except Exception as error:  # noqa: BLE001 - its client, its server's start and their libraries share no class
        problem = error
    if problem is None:
        return None
    address = os.environ.get(ADDRESS, "")
    if not address or is_own_server(address):
        return ServiceError(
            f"Prefect's own server does not answer ({type(problem).__name__}).",
            cure=f"Read why in {LOG} of the workspace, or name a server that runs with {ADDRESS}.",
        )
    parts = urlsplit(address)  # may hold a password
    return ServiceError(
        f"Prefect at {parts.hostname}:{parts.port} does not answer ({type(problem).__name__}).",
        cure=f"Start it and start again, or unset {ADDRESS}: a run has a server of its own then.",
    )


def _drain(flow_run_id: UUID, steps: int) -> None:
    """Wait until the server has every task run in its final state."""
    mine = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    deadline = time.monotonic() + PATIENCE
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            runs = client.read_task_runs(flow_run_filter=mine)
            if len(runs) >= steps and all(run.state and run.state.is_final() for run in runs):
                return
            time.sleep(0.2)
