"""A sweep in MLflow: one run, its trials under it, each with its settings and what came of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.core.receipts import Adapter, ChosenTrial, Trial
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.lineage import SWEEP_KEY, TRIAL_STATE
from tasks.core.registry.runs import NOTE, PARENT
from tasks.core.settings import LoraSettings, RegistrySettings, Settings
from tasks.journal import JOURNAL, Journal
from tasks.sweep_tracking import Tried, end_sweep, send_sweep, trial_run
from tasks.tracking import tracked_as, tracking

REGISTRY = RegistrySettings(name="support", experiment="weekly")
STATES: dict[int, dict[str, Any]] = {
    1: {"state": "complete", "loss": 1.5, "step": 4, "steps": 4},
    2: {"state": "pruned", "loss": 2.5, "step": 2, "steps": 4},
    3: {"state": "failed", "problem": "There was no memory left. Lower it."},
}
BEGAN = 1_790_000_000.0


def at(step: int) -> dict[str, float]:
    return {"step": step, "steps": 4, "loss": 2.0 / step, "seconds": 0.5, "time": BEGAN + step}


def settings_of(rank: int) -> Settings:
    return Settings(lora=LoraSettings(rank=rank))


def tried(workspace: Path) -> list[Tried]:
    folder = workspace / "store" / "adapter_training" / "k"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(at(step)) + "\n" for step in range(1, 5)))
    adapter = Adapter(path="store/adapter_training/k", digest="d", adapter_digest="d", base_digest="b")
    made = []
    for number, facts in STATES.items():
        point = {"lora.rank": 4 * number}
        run = trial_run("s", f"trial {number}: rank {4 * number}", point, settings_of(4 * number))
        trial = Trial(number=number, point=point, **facts)
        made.append(Tried(trial, run, adapter if number == 1 else None))
    return made


def chosen(made: list[Tried]) -> ChosenTrial:
    counts = {"trials": 3, "complete": 1, "pruned": 1, "failed": 1}
    trials = tuple(one.trial for one in made)
    return ChosenTrial(
        path="p", digest="d", counts=counts, reason="Trial 1 is the best.", number=1, trials=trials
    )


def send(workspace: Path) -> None:
    made = tried(workspace)
    send_sweep(workspace, REGISTRY, "s", {"lora.rank": "4, 8, 12"}, made, chosen(made), BEGAN)


def runs_of(client: Registry) -> tuple[Any, dict[str, Any]]:
    """Give the one parent and its children by name."""
    found = client.client.get_experiment_by_name(REGISTRY.experiment)
    runs = client.client.search_runs([found.experiment_id])
    (parent,) = (run for run in runs if SWEEP_KEY in run.data.tags)
    children = {run.info.run_name: run for run in runs if run is not parent}
    assert {run.data.tags[PARENT] for run in children.values()} <= {parent.info.run_id}
    return parent, children


def test_every_trial_is_a_run_under_that_of_its_sweep(tmp_path: Path) -> None:
    client = open_registry(tmp_path)
    send(tmp_path)
    parent, children = runs_of(client)
    assert {name: run.info.status for name, run in children.items()} == {
        "trial 1: rank 4": "FINISHED",
        "trial 2: rank 8": "KILLED",
        "trial 3: rank 12": "FAILED",
    }
    assert [children[name].data.params["lora.rank"] for name in sorted(children)] == ["4", "8", "12"]
    states = [children[name].data.tags[TRIAL_STATE] for name in sorted(children)]
    assert states == ["complete", "pruned", "failed"]
    first = children["trial 1: rank 4"]
    assert first.data.metrics["trial/loss"] == 1.5
    losses = client.client.get_metric_history(first.info.run_id, "train/loss")
    assert [(one.step, one.value) for one in losses] == [(1, 2.0), (2, 1.0), (3, 2 / 3), (4, 0.5)]
    assert "trial/loss" not in children["trial 3: rank 12"].data.metrics
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"lora.rank": "4, 8, 12"}
    assert parent.data.metrics["trials/complete"] == 1
    assert parent.data.metrics["trial/loss"] == 1.5
    assert parent.data.tags[NOTE] == "Trial 1 is the best."


def test_a_start_again_goes_on_with_the_same_runs(tmp_path: Path) -> None:
    client = open_registry(tmp_path)
    send(tmp_path)
    _, before = runs_of(client)
    send(tmp_path)
    _, after = runs_of(client)
    ids = [{name: run.info.run_id for name, run in runs.items()} for runs in (before, after)]
    assert ids[0] == ids[1]
    first = client.client.get_metric_history(ids[0]["trial 1: rank 4"], "train/loss")
    assert len(first) == 4


def test_a_trial_is_followed_while_it_is_trained_as_its_own_run(tmp_path: Path) -> None:
    client = open_registry(tmp_path)
    run = trial_run("s", "trial 1: rank 4", {"lora.rank": 4}, settings_of(4))
    with tracked_as(REGISTRY, run), tracking(tmp_path, "k") as followed:
        assert followed
        followed.tell(at(1))
    parent, children = runs_of(client)
    assert parent.info.status == "RUNNING", "the sweep goes on"
    assert children["trial 1: rank 4"].data.metrics["train/loss"] == 2.0
    end_sweep(tmp_path, REGISTRY, "s", "KILLED", BEGAN)
    assert runs_of(client)[0].info.status == "KILLED"
    send(tmp_path)
    parent, children = runs_of(client)
    assert (parent.info.status, len(children)) == ("FINISHED", 3)


def test_a_server_that_is_away_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hidden@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    told = Journal()
    token = JOURNAL.set(told)
    send(tmp_path)
    end_sweep(tmp_path, REGISTRY, "s", "KILLED", BEGAN)
    JOURNAL.reset(token)
    assert ["not whole in MLflow" in told.warnings[0], "has ended" in told.warnings[1]] == [True, True]
    assert "hidden" not in "".join(told.warnings)
