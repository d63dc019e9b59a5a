"""The study: what a sweep tries next, and which trial does worse than others, by Optuna's sampler and pruner.

It lives in memory: asked and told the same, it says the same, so that a sweep that starts again is led to where it was
by what its trials have left.
"""

from random import Random
from typing import Any

from tasks.core.settings import Range
from tasks.core.sweeping.space import Point, Space, points_of, rounded

SOME_REPEATS = 10  # draws in a row that were tried before; then one is taken of those that were not
MOST_REPEATS = 100  # then there is nothing new


class Study:
    """Ask it for a point, show it the trial's losses, tell it how the trial ended; then ask again.

    `first` is tried before anything is drawn. Until `startup` trials are complete, points are drawn at random, and no trial
    is worse than others.
    """

    def __init__(self, space: Space, seed: int, startup: int, first: Point | None = None) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = space
        self.study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=startup),
        )
        self.asked, self.points = list[Point](), points_of(space)
        self.random = Random(seed)  # noqa: S311 - the order of trials is no secret
        self.trial: Any = None
        if first is not None:
            self._put_first(first)

    def ask(self) -> Point | None:
        """Give a point that was not given before; None where none is found."""
        from optuna.trial import TrialState

        left = None if self.points is None else [one for one in self.points if one not in self.asked]
        if left == []:
            return None
        for repeats in range(MOST_REPEATS):
            if (
                left and repeats == SOME_REPEATS
            ):  # of a few choices the sampler draws the best again and again
                self._put_first(self.random.choice(left))
            trial = self.study.ask()
            point = {name: self._draw(trial, name) for name in self.space}
            if point not in self.asked:
                self.asked.append(point)
                self.trial = trial
                return point
            self.study.tell(trial, state=TrialState.FAIL)  # which the sampler passes over
        return None

    def look(self, step: int, loss: float) -> bool:
        """Show the loss of the trial after a step; say whether it is worse than the median of the complete ones there."""
        self.trial.report(loss, step)
        return bool(self.trial.should_prune())

    def complete(self, loss: float) -> None:
        """Say that the trial is complete, with its loss."""
        self.study.tell(self.trial, loss)

    def give_up(self) -> None:
        """Say that the trial was ended, or failed: the sampler then looks elsewhere."""
        from optuna.trial import TrialState

        self.study.tell(self.trial, state=TrialState.PRUNED)

    def _put_first(self, point: Point) -> None:
        self.study.enqueue_trial({name: _written(self.space, name, value) for name, value in point.items()})

    def _draw(self, trial: Any, name: str) -> Any:
        dimension = self.space[name]
        if not isinstance(dimension, Range):
            written = {_text(value): value for value in dimension}
            return written[trial.suggest_categorical(name, list(written))]
        if isinstance(dimension.low, int):
            return trial.suggest_int(name, dimension.low, dimension.high, log=True)
        return rounded(trial.suggest_float(name, dimension.low, dimension.high, log=True), dimension)


def _written(space: Space, name: str, value: Any) -> Any:
    return value if isinstance(space[name], Range) else _text(value)


def _text(value: Any) -> str:
    """Write a choice as Optuna keeps it: a text."""
    return "+".join(value) if isinstance(value, tuple) else str(value)
