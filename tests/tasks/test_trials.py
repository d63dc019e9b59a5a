"""A trial is followed by the losses that it leaves: complete, pruned or failed, and the same on every start."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import DiskFull, Diverged, FreshtuneError, ModelError, OutOfMemory, Pruned, Stopped
from tasks.core.receipts import Adapter, Trial, TrialAdapter
from tasks.core.settings import Settings, SweepSettings, TrainingSettings
from tasks.core.sweeping.space import space_of
from tasks.core.sweeping.study import Study
from tasks.journal import JOURNAL, Journal, StepRun, journal
from tasks.pruning import is_looked_at, look_at
from tasks.showing import title
from tasks.sweep_tracking import Tried, trial_run
from tasks.trial_choice import best_of
from tasks.trials import Looks, try_point

SETTINGS = Settings(sweep=SweepSettings(startup=1, targets=(("all-linear",),)))


@pytest.fixture(autouse=True)
def followed() -> Iterator[Journal]:
    token = JOURNAL.set(Journal())
    yield journal()
    JOURNAL.reset(token)


@pytest.fixture
def study() -> Study:
    return Study(space_of(SETTINGS), 0, 1)


def at(step: int, loss: float | None = None) -> dict[str, float]:
    looked = {} if loss is None else {"validation_loss": loss}
    return {"step": step, "steps": 6, "loss": 2.0, "time": 1_790_000_000.0 + step, **looked}


def curve(*losses: float) -> list[dict[str, float]]:
    """Give steps of which every second one is a look."""
    return [
        at(step, losses[step // 2 - 1] if step % 2 == 0 else None) for step in range(1, 2 * len(losses) + 1)
    ]


def stored(workspace: Path, steps: list[dict[str, float]]) -> Adapter:
    """Store what a training of these steps leaves."""
    folder = workspace / "store" / "adapter_training" / f"{len(list(workspace.rglob('metrics.jsonl')))}"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in steps))
    losses = [one["validation_loss"] for one in steps if "validation_loss" in one]
    watched = {"rows": 5, "best_loss": min(losses), "last_loss": losses[-1]}
    return Adapter(
        path=folder.relative_to(workspace).as_posix(),
        digest=folder.name.rjust(64, "a"),
        adapter_digest="a" * 64,
        base_digest="b" * 64,
        training={"steps": len(steps), "watched": watched},
    )


def tried(
    study: Study, workspace: Path, steps: list[dict[str, float]], *, fresh: bool = True, **given: Any
) -> Tried:
    """Try a point whose training takes these steps, or took them before; the training is the only stand-in."""

    def train() -> Adapter:
        journal().add(StepRun("adapter_training", "Completed", cached=not fresh, seconds=1.0, part=title()))
        for one in steps if fresh else ():
            look_at(one)
        if "error" in given:
            raise given["error"]
        adapter = stored(workspace, steps)
        journal().receipts.append(adapter)
        return adapter

    settings = given.get("settings", SETTINGS).model_copy(update={"workspace": workspace})
    point = study.ask()
    assert point is not None
    number = len(study.asked)
    run = trial_run("sweep", f"trial {number}", point, settings)
    return try_point(study, number, point, run, settings, train)


def test_a_trial_that_does_worse_is_pruned_and_one_that_does_better_is_not(
    study: Study, tmp_path: Path
) -> None:
    first = tried(study, tmp_path, curve(3.0, 2.0, 1.0)).trial
    worse = tried(study, tmp_path, curve(3.1, 0.5, 0.4)).trial
    better = tried(study, tmp_path, curve(2.9, 1.9, 0.9)).trial
    assert (first.state, first.loss, first.step, first.steps) == ("complete", 1.0, 6, 6)
    assert (worse.state, worse.loss, worse.step, worse.steps) == ("pruned", 3.1, 2, 6)
    assert (better.state, better.loss) == ("complete", 0.9)
    assert best_of([first, worse, better]) is better


def test_a_trial_is_not_pruned_at_its_end_nor_where_that_is_off(study: Study, tmp_path: Path) -> None:
    tried(study, tmp_path, curve(3.0, 2.0, 1.0))
    assert tried(study, tmp_path, [at(6, 9.0)]).trial.state == "complete"
    off = SETTINGS.model_copy(update={"sweep": SETTINGS.sweep.model_copy(update={"pruning": False})})
    assert tried(study, tmp_path, curve(9.0, 9.0, 9.0), settings=off).trial.state == "complete"


def test_the_same_comes_of_trials_that_are_taken_from_the_store(tmp_path: Path) -> None:
    losses = [curve(3.0, 2.0, 1.0), curve(2.0, 1.5, 1.2), curve(9.0, 1.0, 1.0), curve(2.6, 1.6, 0.8)]
    first, again = Study(space_of(SETTINGS), 0, 1), Study(space_of(SETTINGS), 0, 1)
    before = [tried(first, tmp_path / "a", steps) for steps in losses]
    states = [one.trial.state for one in before]
    assert states == ["complete", "complete", "pruned", "pruned"]
    after = [
        tried(again, tmp_path / "b", steps, fresh=state != "complete")
        for steps, state in zip(losses, states, strict=True)
    ]
    assert [one.trial for one in after] == [one.trial for one in before]
    assert first.ask() == again.ask()


def test_looks_that_a_trainer_repeats_count_once(study: Study) -> None:
    study.ask()
    looks = Looks(study, prunes=True)
    looks(at(2, 3.0))
    looks(at(4, 2.0))
    looks(at(2, 99.0))  # a trainer that went on from its checkpoint
    assert (looks.step, looks.loss) == (4, 2.0)
    assert study.trial.study.trials[0].intermediate_values == {2: 3.0, 4: 2.0}


def test_the_loss_is_of_the_weights_that_the_final_training_keeps(tmp_path: Path) -> None:
    watching = SETTINGS.model_copy(update={"training": TrainingSettings(validation=0.1)})
    steps = curve(3.0, 1.0, 2.0)
    last = tried(Study(space_of(SETTINGS), 0, 1), tmp_path, steps).trial
    best = tried(Study(space_of(SETTINGS), 0, 1), tmp_path, steps, settings=watching).trial
    assert (last.loss, best.loss) == (2.0, 1.0)


@pytest.mark.parametrize("kind", [OutOfMemory, Diverged])
def test_a_trial_that_fails_is_told_and_the_sweep_goes_on(
    kind: type[FreshtuneError], study: Study, tmp_path: Path, followed: Journal
) -> None:
    failed = tried(study, tmp_path, curve(3.0), error=kind("It went wrong.", cure="Lower it."))
    assert failed.adapter is None
    assert (failed.trial.state, failed.trial.loss) == ("failed", None)
    assert failed.trial.problem == "It went wrong. Lower it."
    assert followed.warnings == ["Trial 1: It went wrong."]
    assert followed.error is None
    whole = tried(study, tmp_path, curve(2.0, 1.0, 1.0))
    assert best_of([failed.trial, whole.trial]) is whole.trial


@pytest.mark.parametrize("kind", [Stopped, DiskFull, ModelError])
def test_what_is_not_of_a_trials_settings_ends_the_sweep(
    kind: type[FreshtuneError], study: Study, tmp_path: Path, followed: Journal
) -> None:
    with pytest.raises(kind):
        tried(study, tmp_path, curve(3.0), error=kind("It is over.", cure="Start again."))
    assert [one.part for one in followed.steps] == ["trial 1"]
    assert not is_looked_at()
    assert title() == ""


def test_a_trials_adapter_is_not_the_runs(study: Study, tmp_path: Path, followed: Journal) -> None:
    tried(study, tmp_path, curve(2.0, 1.0, 1.0))
    assert [type(one) for one in followed.receipts] == [TrialAdapter]
    assert followed.receipts[0].path.startswith("store/adapter_training/")


def test_a_pruned_trial_is_no_error_but_an_ending(study: Study) -> None:
    assert issubclass(Pruned, Stopped)
    tried_before = Looks(study, prunes=True)
    study.ask()
    tried_before(at(2, 1.0))
    study.complete(1.0)
    study.ask()
    with pytest.raises(Pruned, match=r"Ended after 2 of 6 steps: its loss 5\.000 is above the median there"):
        Looks(study, prunes=True)(at(2, 5.0))


def test_where_no_trial_is_complete_the_first_problem_is_told() -> None:
    failed = [
        Trial(number=number, state="failed", point={"lora.rank": 8}, problem=f"Problem {number}.")
        for number in (1, 2)
    ]
    with pytest.raises(ModelError, match=r"None of 2 trials could be trained. Problem 1\."):
        best_of(failed)


def test_of_equal_trials_the_first_is_chosen() -> None:
    equal = [Trial(number=number, state="complete", point={}, loss=1.0) for number in (2, 1, 3)]
    assert best_of(equal).number == 1
