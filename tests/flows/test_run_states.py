"""Whatever Prefect says of a run whose process is gone, its page tells the truth in the end."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow, get_client, task
from prefect.client.schemas.filters import TaskRunFilter
from prefect.states import Cancelling, Crashed, Paused, Pending, Running, State

from flows import run_states
from flows.deployed import TAG
from flows.run_states import KILLED, STOPPED, settle_runs
from tasks.core.store.locks import exclusive
from tasks.core.store.run_files import AT_WORK, OUTCOME

Made = Callable[..., UUID]


@flow(name="retrain")
def story() -> None:
    """Stand for the whole story: only its runs' states matter here."""


@task(name="adapter training")
def step() -> None:
    """Stand for a step."""


@pytest.fixture
def made(tmp_path: Path, prefect_server: None, request: pytest.FixtureRequest) -> Made:
    def make(state: State[Any], outcome: Any = None, *, tagged: bool = True) -> UUID:
        run_id = f"20261126-{request.node.name.__hash__() % 10**6:06d}"
        folder = tmp_path / "runs" / run_id
        folder.mkdir(parents=True)
        (folder / AT_WORK).touch()
        if outcome is not None:
            (folder / OUTCOME).write_text(outcome if isinstance(outcome, str) else json.dumps(outcome))
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(
                story, name=f"support {run_id}", state=state, tags=[TAG] if tagged else []
            )
            client.set_flow_run_state(run.id, state, force=True)
        return run.id

    return make


def state_of(run: UUID) -> tuple[str, str]:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    assert state is not None
    return str(state.name), str(state.message)


@pytest.mark.parametrize(
    "state",
    [Running(), Paused(timeout_seconds=600), Crashed(message="Process exited with status code: -9")],
    ids=["running", "paused", "found out by Prefect"],
)
def test_a_killed_run_has_crashed_and_holds_nothing(made: Made, tmp_path: Path, state: State[Any]) -> None:
    run = made(state)
    with get_client(sync_client=True) as client:
        client.create_task_run(task=step, flow_run_id=run, dynamic_key="0", state=Running())
        assert len(settle_runs(tmp_path)) == 1
        asked = TaskRunFilter.model_validate({"flow_run_id": {"any_": [run]}})
        assert [one.state_name for one in client.read_task_runs(task_run_filter=asked)] == ["Crashed"]
    assert state_of(run) == ("Crashed", KILLED)
    assert settle_runs(tmp_path) == []


def test_a_run_that_somebody_cancelled_is_cancelled(made: Made, tmp_path: Path) -> None:
    run = made(Cancelling())
    settle_runs(tmp_path)
    assert state_of(run) == ("Cancelled", STOPPED)


def test_a_cancelled_run_whose_worker_was_killed_is_ended(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = made(Cancelling()), str(UUID(int=1))
    ended = []
    monkeypatch.setattr(run_states, "orphans", lambda *_: {str(run): ["mine"], other: ["another's"]})
    monkeypatch.setattr(run_states, "end_orphans", ended.extend)
    assert len(settle_runs(tmp_path)) == 1
    assert ended == ["mine"]
    assert state_of(run) == ("Cancelled", STOPPED)


def test_a_run_that_waits_for_a_worker_at_somebody_elses_is_left_alone(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(Pending(), tagged=False)
    monkeypatch.setattr(run_states, "START", timedelta(0))
    assert settle_runs(tmp_path) == []
    assert state_of(run)[0] == "Pending"


def test_a_run_that_is_at_work_is_left_alone(made: Made, tmp_path: Path) -> None:
    run = made(Running())
    (folder,) = (tmp_path / "runs").iterdir()
    with exclusive(folder / AT_WORK):
        assert settle_runs(tmp_path) == []
    assert state_of(run)[0] == "Running"
    settle_runs(tmp_path)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({"status": "kept", "reason": "It is no better."}, ("Completed", "Not promoted: It is no better.")),
        ({"status": "failed", "reason": "The disk is full."}, ("Failed", "The disk is full.")),
        ("{", ("Crashed", KILLED)),
    ],
)
def test_a_run_that_ended_while_the_server_was_away_is_what_its_folder_says(
    made: Made, tmp_path: Path, outcome: Any, expected: tuple[str, str]
) -> None:
    run = made(Running(), outcome)
    settle_runs(tmp_path)
    assert state_of(run) == expected


def test_a_run_of_another_workspace_is_not_ours(made: Made, tmp_path: Path) -> None:
    run = made(Running())
    assert settle_runs(tmp_path / "elsewhere") == []
    assert state_of(run)[0] == "Running"
    settle_runs(tmp_path)


def test_a_run_that_a_worker_took_and_never_began_waits_for_another(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(Pending())
    assert settle_runs(tmp_path) == []
    monkeypatch.setattr(run_states, "START", timedelta(0))
    settle_runs(tmp_path)
    assert state_of(run) == ("Scheduled", run_states.AGAIN)


def test_a_run_whose_process_has_begun_here_has_more_time(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(Pending())
    dead = subprocess.Popen(["true"])
    dead.wait()
    monkeypatch.setattr(run_states, "START", timedelta(0))
    with get_client(sync_client=True) as client:
        client.update_flow_run(run, infrastructure_pid=f"{os.getpid()}")
        assert settle_runs(tmp_path) == []
        client.update_flow_run(run, infrastructure_pid=f"{dead.pid}")
    settle_runs(tmp_path)
    assert state_of(run) == ("Scheduled", run_states.AGAIN)
