"""A training in MLflow while it runs: its steps, its machine, how it ended, and a server that is not there."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.errors import Stopped
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.lineage import CONTENT_KEY, TRAINING_KEY
from tasks.core.report.registry_texts import times_of, training_figures
from tasks.core.settings import RegistrySettings
from tasks.journal import JOURNAL, Journal
from tasks.tracking import Tracking, tracked_as, tracking

REGISTRY = RegistrySettings(name="support", experiment="weekly")


def at(step: int) -> dict[str, float]:
    return {"step": step, "loss": 2.0 / step, "seconds": 0.5, "time": 1_790_000_000 + step}


def run_of(client: Registry, key: str = "k") -> str:
    return client.start_run(REGISTRY.experiment, "any", {TRAINING_KEY: key})


def logged(client: Registry, run: str, name: str = "train/loss") -> list[int]:
    return [one.step for one in client.client.get_metric_history(run, name)]


def seen(client: Registry, name: str) -> list[int]:
    """Give the steps that MLflow has by now, without making a run."""
    found = client.client.get_experiment_by_name(REGISTRY.experiment)
    runs = client.client.search_runs([found.experiment_id]) if found else ()
    return [step for run in runs for step in logged(client, run.info.run_id, name)]


def fail_after_a_step(workspace: Path, error: Exception) -> None:
    with tracking(workspace, "k") as followed:
        assert followed
        followed.tell(at(1))
        raise error


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_steps_and_machine_are_seen_while_the_training_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    client = open_registry(tmp_path)
    with tracked_as(REGISTRY), tracking(tmp_path, "k") as followed:
        assert followed
        followed.tell(at(1))
        wait_until(lambda: seen(client, "train/loss") == [1])
        wait_until(lambda: bool(seen(client, "system/cpu_utilization_percentage")))
        followed.tell(at(2))
    run = client.client.get_run(run_of(client))
    assert logged(client, run.info.run_id) == [1, 2]
    assert run.info.status == "FINISHED"  # what comes after can add to it

    # registration sends all again: nothing is there twice, and the run gets its content
    steps = [at(1), at(2), at(3)]
    mine = client.start_run("weekly", "any", {TRAINING_KEY: "k", CONTENT_KEY: "c"}, note="In words.")
    client.log_metrics(mine, training_figures(steps), times_of(steps))
    assert mine == run.info.run_id
    assert logged(client, mine) == [1, 2, 3]
    assert client.client.get_run(mine).data.tags[CONTENT_KEY] == "c"
    assert client.start_run("weekly", "any", {TRAINING_KEY: "k", CONTENT_KEY: "other"}) != mine


@pytest.mark.parametrize(("error", "status"), [(Stopped, "KILLED"), (ValueError, "FAILED")])
def test_a_run_says_how_its_training_ended_and_is_gone_on_with(
    tmp_path: Path, error: type[Exception], status: str
) -> None:
    client = open_registry(tmp_path)
    caught = Stopped("Stopped.", cure="Start again.") if error is Stopped else ValueError()
    with pytest.raises(error), tracked_as(REGISTRY):
        fail_after_a_step(tmp_path, caught)
    run = run_of(client)
    assert client.client.get_run(run).info.status == status
    with tracked_as(REGISTRY), tracking(tmp_path, "k") as followed:
        assert followed
        followed.tell(at(2))
    assert run_of(client) == run
    assert logged(client, run) == [1, 2]
    assert client.client.get_run(run).info.status == "FINISHED"


def test_a_training_that_is_registered_already_changes_nothing(tmp_path: Path) -> None:
    client = open_registry(tmp_path)
    run = client.start_run(REGISTRY.experiment, "any", {TRAINING_KEY: "k", CONTENT_KEY: "c"})
    with tracked_as(REGISTRY), tracking(tmp_path, "k") as followed:
        assert followed
        followed.tell(at(1))
    assert logged(client, run) == []


def test_a_server_that_is_away_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hidden@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    told = Journal()
    token = JOURNAL.set(told)
    with tracked_as(REGISTRY), tracking(tmp_path, "k") as followed:
        assert isinstance(followed, Tracking)
        followed.tell(at(1))
    JOURNAL.reset(token)
    assert len(told.warnings) == 1
    assert "registration sends what is missing" in told.warnings[0]
    assert "hidden" not in told.warnings[0]


def test_nothing_is_followed_where_nobody_asked(tmp_path: Path) -> None:
    with tracking(tmp_path, "k") as followed:
        assert followed is None
    assert not (tmp_path / "mlflow").exists()
