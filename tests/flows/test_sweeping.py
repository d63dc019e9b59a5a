"""A sweep with the real parts: trials of a few steps, the best trained again on all rows, and later starts from the store."""

from pathlib import Path
from typing import Any

import psutil
import pytest
from journeys import Told, sweep_here
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter

from tasks.adapter_training import train_adapter
from tasks.core.model.devices import settled_dtype
from tasks.core.receipts import Adapter, BaseModel, ChosenTrial, TokenRows
from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import SWEEP_KEY
from tasks.core.registry.runs import PARENT
from tasks.core.settings import Settings, SweepSettings
from tasks.core.sweeping.space import for_trials, with_point
from tasks.journal import RUNNING, StepRun

FAST, SLOW = 4e-3, 4e-6
NAMES = [
    f"trial {number}: rank 8, rate {rate}, all-linear, 3 epochs"
    for number, rate in ((1, "4e-3"), (2, "4e-6"))
]


@pytest.fixture(scope="module")
def swept_settings(settings: Settings) -> Settings:
    """Give settings with two trials: one at a rate that learns, and one at a rate that does not."""
    return settings.model_copy(
        update={
            "registry": settings.registry.model_copy(update={"name": "swept-assistant"}),
            "training": settings.training.model_copy(update={"validation_steps": 2}),
            "sweep": SweepSettings(
                trials=3,
                rank=(8,),
                learning_rate=(FAST, SLOW),
                targets=(("all-linear",),),
                epochs=(settings.training.epochs,),
                startup=1,
            ),
        }
    )


def kill_second(step: StepRun) -> None:
    """Kill the trainer of the second trial at its first step."""
    if step.state != RUNNING or not step.told or step.part != NAMES[1]:
        return
    for process in psutil.Process().children(recursive=True):
        if "tasks.core.fitting.child" in process.cmdline():
            process.kill()


@pytest.fixture(scope="module")
def killed(swept_settings: Settings, prefect_server: None) -> Told:
    return sweep_here(swept_settings, kill_second)


@pytest.fixture(scope="module")
def swept(swept_settings: Settings, killed: Told) -> Told:
    return sweep_here(swept_settings)


def trials_of(told: Told) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = told[0]["sweep"]["trials"]
    return trials


def states_of(told: Told) -> list[str]:
    return [one["state"] for one in trials_of(told)]


def built(told: Told) -> list[tuple[str, str]]:
    return [(step.name, step.state) for step in told[1].steps if not step.cached]


def task_runs(told: Told) -> dict[str, Any]:
    with get_client(sync_client=True) as prefect:
        named = FlowRunFilter.model_validate({"name": {"like_": told[0]["run_id"]}})
        (run,) = prefect.read_flow_runs(flow_run_filter=named)
        assert run.name == f"sweep of swept-assistant {told[0]['run_id']}"
        assert run.state is not None
        assert run.state.is_completed()
        return {one.name: one.state for one in prefect.read_task_runs(flow_run_filter=named)}


def test_a_trial_whose_trainer_is_killed_is_told_and_the_sweep_goes_on(killed: Told) -> None:
    outcome = killed[0]
    assert states_of(killed) == ["complete", "failed"]
    assert outcome["status"] == "promoted"
    told = f"T{NAMES[1][1:]}: The "
    assert [one for one in outcome["warnings"] if one.startswith(told)]
    page = (Path(outcome["run_dir"]) / "public_report.html").read_text(encoding="utf-8")
    assert f"Trial 2: {trials_of(killed)[1]['problem'][:20]}" in page
    assert task_runs(killed)[NAMES[1]].is_failed()


def test_the_best_goes_the_way_of_every_training_with_all_rows(killed: Told) -> None:
    outcome, followed = killed
    first = trials_of(killed)[0]
    assert first["point"]["training.learning_rate"] == FAST, "the recipe's own come first"
    assert outcome["sweep"]["number"] == 1
    assert outcome["settings"]["training"]["learning_rate"] == FAST
    assert outcome["settings"]["training"]["validation"] == 0
    assert outcome["training"]["watched"]["rows"] == 0
    (rows,) = (one for one in followed.receipts if type(one) is TokenRows)
    (adapter,) = (one for one in followed.receipts if type(one) is Adapter)
    assert adapter.training["rows"] == rows.counts["train"]
    assert outcome["model"]["adapter_digest"] == adapter.digest != first["adapter"]
    trial = next(one for one in followed.receipts if one.digest == first["adapter"])
    assert isinstance(trial, Adapter)
    assert 0 < trial.training["watched"]["rows"] < rows.counts["train"]
    assert trial.training["watched"]["last_loss"] == first["loss"]


def test_the_next_start_goes_on_and_prunes_what_does_worse(killed: Told, swept: Told) -> None:
    assert trials_of(swept)[0] == trials_of(killed)[0]
    assert states_of(swept) == ["complete", "pruned"]
    pruned = trials_of(swept)[1]
    assert (pruned["step"], pruned["steps"], pruned["adapter"]) == (2, 8, "")
    assert pruned["loss"] > trials_of(swept)[0]["loss"]
    assert built(swept) == [("adapter_training", "Pruned"), ("trial_choice", "Completed")]
    assert swept[0]["status"] == "skipped"


def test_the_table_of_trials_is_wherever_a_run_is_looked_at(swept: Told) -> None:
    folder, reason = Path(swept[0]["run_dir"]), swept[0]["sweep"]["reason"]
    assert reason.startswith(
        "Trial 1 is the best of 2 (1 complete, 1 pruned): rank 8, rate 4e-3, all-linear, 3 epochs"
    )
    for name in ("report.html", "public_report.html"):
        page = (folder / name).read_text(encoding="utf-8")
        assert reason in page
        assert page.count("<td>pruned</td>") == page.count("<td>chosen</td>") == 1
        assert "training.validation is 0, so trials are compared on the rows of 10 % of the training" in page
        assert "There were 2 settings to try, and sweep.trials is 3." in page
    told = (folder / "summary.txt").read_text(encoding="utf-8")
    assert "  sweep   trial 1 of 2: rank 8, rate 4e-3, all-linear, 3 epochs\n" in told
    assert "learning rate" in told


def test_prefect_names_the_trials_and_takes_a_pruned_one_for_no_failure(swept: Told) -> None:
    states = task_runs(swept)
    assert states[NAMES[0]].is_completed()
    assert (states[NAMES[1]].name, states[NAMES[1]].is_cancelled()) == ("Pruned", True)
    assert "is above the median there" in states[NAMES[1]].message


def test_mlflow_has_every_trial_under_the_run_of_the_sweep(swept: Told, swept_settings: Settings) -> None:
    client = open_registry(swept_settings.workspace)
    found = client.client.get_experiment_by_name(swept_settings.registry.experiment)
    runs = client.client.search_runs([found.experiment_id])
    (parent,) = (run for run in runs if SWEEP_KEY in run.data.tags)
    under = {run.info.run_name: run for run in runs if run.data.tags.get(PARENT) == parent.info.run_id}
    assert {name: run.info.status for name, run in under.items()} == dict(
        zip(NAMES, ("FINISHED", "KILLED"), strict=True)
    )
    for name, trial in zip(NAMES, trials_of(swept), strict=True):
        data = under[name].data
        assert data.metrics["trial/loss"] == trial["loss"]
        assert data.metrics["train/validation_loss"] == trial["loss"]
        assert data.params["training.validation"] == "0.1"
        assert float(data.params["training.learning_rate"]) == trial["point"]["training.learning_rate"]
    assert parent.info.status == "FINISHED"
    version = client.versions("swept-assistant")[0]
    assert version.run_id not in {run.info.run_id for run in (parent, *under.values())}


def test_another_start_trains_nothing_and_comes_to_the_same(swept: Told, swept_settings: Settings) -> None:
    again = sweep_here(swept_settings)
    assert trials_of(again) == trials_of(swept)
    assert built(again) == [("adapter_training", "Pruned")]
    (trial,) = (step for step in again[1].steps if step.state == "Pruned")
    assert trial.part == NAMES[1]
    chosen = [next(one for one in told[1].receipts if type(one) is ChosenTrial) for told in (swept, again)]
    assert chosen[0].model_dump(mode="json") == chosen[1].model_dump(mode="json")


def test_a_pruned_trial_can_be_gone_on_with(swept: Told, swept_settings: Settings) -> None:
    pruned = trials_of(swept)[1]
    mine = with_point(for_trials(swept_settings), pruned["point"])
    rows = next(one for one in swept[1].receipts if type(one) is TokenRows)
    base = [one for one in swept[1].receipts if type(one) is BaseModel][-1]
    model = mine.model.without_source().model_copy(update={"dtype": settled_dtype("auto")})
    adapter = train_adapter(mine.workspace, rows, base, model, mine.lora, mine.training, None)
    assert adapter.training["resumed_from"] >= pruned["step"]
    assert adapter.training["steps"] == 8
    later = sweep_here(swept_settings)
    assert states_of(later) == ["complete", "complete"]
    assert trials_of(later)[1]["adapter"] == adapter.digest
