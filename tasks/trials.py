"""Trials: a training of a sweep is begun under its own name, looked at while it runs, and told to the study."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tasks.core.errors import DiskFull, Diverged, HardwareError, Pruned
from tasks.core.fitting.plan import METRICS
from tasks.core.receipts import Adapter, Trial, TrialAdapter
from tasks.core.settings import Settings
from tasks.core.store.rows import read_rows
from tasks.core.sweeping.space import Point
from tasks.core.sweeping.study import Study
from tasks.journal import JOURNAL, Journal, journal
from tasks.pruning import looked_at
from tasks.showing import titled
from tasks.sweep_tracking import TrialRun, Tried
from tasks.tracking import tracked_as


class Looks:
    """What a sweep sees of a trial: the loss of the watched rows, each look once, and the end of one that does worse."""

    def __init__(self, study: Study, *, prunes: bool) -> None:
        self.study, self.prunes = study, prunes
        self.step, self.steps, self.loss = 0, 0, float("inf")

    def __call__(self, metrics: Mapping[str, float]) -> None:
        """See a step. Raises `Pruned` when the trial does worse than others, and is not at its end."""
        if self._sees(metrics) and self.prunes and self.step < self.steps:
            raise Pruned(
                f"Ended after {self.step:,} of {self.steps:,} steps: its loss {self.loss:.3f} is above the median there.",
                cure="A run with its settings goes on from its checkpoint.",
            )

    def read(self, steps: Iterable[Mapping[str, float]]) -> None:
        """See the steps of a trial that is complete."""
        for metrics in steps:
            self._sees(metrics)

    def _sees(self, metrics: Mapping[str, float]) -> bool:
        """See a step, if it is a look that was not seen before; say whether the trial does worse than others."""
        if "validation_loss" not in metrics or metrics["step"] <= self.step:
            return False
        self.step, self.steps = int(metrics["step"]), int(metrics["steps"])
        self.loss = metrics["validation_loss"]
        return self.study.look(self.step, self.loss)


def try_point(
    study: Study,
    number: int,
    point: Point,
    run: TrialRun,
    settings: Settings,
    train: Callable[[], Adapter],
) -> Tried:
    """Train with a point, and tell the study what came of it.

    A trial that runs out of memory, is killed, or whose numbers are not finite any more is a failed one, of which a
    warning tells; every other error ends the sweep.
    """
    looks = Looks(study, prunes=settings.sweep.pruning)
    adapter, problem = None, ""
    followed = journal()
    branch = followed.branch()  # a trial's adapter is not the run's, nor is its error
    token = JOURNAL.set(branch)
    try:
        with titled(run.title), looked_at(looks), tracked_as(settings.registry, run):
            adapter = train()
    except Pruned:
        study.give_up()
    except (Diverged, HardwareError) as error:
        if isinstance(error, DiskFull):
            raise
        study.give_up()
        branch.errors.clear()
        problem = str(error)
        branch.warn(f"{run.title[0].upper()}{run.title[1:]}: {error.message}", error.cure)
    finally:
        JOURNAL.reset(token)
        _take_in(followed, branch)
    facts: dict[str, Any] = {"number": number, "point": point}
    if adapter is None:
        return Tried(_ended(looks, facts, problem), run, None)
    looks.read(read_rows(adapter.folder(settings.workspace) / METRICS))
    watched = adapter.training["watched"]
    loss = watched["best_loss" if settings.training.validation else "last_loss"]
    study.complete(loss)
    facts |= {"state": "complete", "loss": loss, "adapter": adapter.digest}
    return Tried(Trial(**facts, step=adapter.training["steps"], steps=looks.steps), run, adapter)


def _ended(looks: Looks, facts: Mapping[str, Any], problem: str) -> Trial:
    if problem:
        return Trial(**facts, state="failed", problem=problem, step=looks.step, steps=looks.steps)
    return Trial(**facts, state="pruned", loss=looks.loss, step=looks.step, steps=looks.steps)


def _take_in(followed: Journal, branch: Journal) -> None:
    """Take in what the steps of a trial did; what they made is kept as a trial's."""
    branch.receipts = [
        TrialAdapter(**one.model_dump()) if isinstance(one, Adapter) else one for one in branch.receipts
    ]
    followed.join(branch)
