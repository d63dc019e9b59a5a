"""Watching: rows that are not trained on tell when the training was at its best, and when it gains no more.

They are taken from the training rows, by requester; the held-out rows stay unseen, for the gate.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.core.errors import ModelError
from tasks.core.selection.splitting import Flags, held_out_groups

Tensors = Mapping[str, Any]


def part_rows(groups: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Part row numbers into those to train on and those to watch; rows of one group stay together.

    Raises `ModelError` when there are too few groups for both.
    """
    if not share:
        return list(range(len(groups))), []
    watched = watched_rows(groups, share, seed)
    if watched.all() or not watched.any():
        raise ModelError(
            f"training.validation is {share:g}, and of {len(set(groups))} requesters "
            f"{'all' if watched.all() else 'none'} would be watched.",
            cure="Set training.validation=0, or give logs of more requesters.",
        )
    return np.flatnonzero(~watched).tolist(), np.flatnonzero(watched).tolist()


def watched_rows(groups: Sequence[str], share: float, seed: int) -> Flags:
    """Say of each row whether it is watched, which its group alone decides."""
    keys = np.array([int(group, 16) for group in groups], np.uint64)
    return held_out_groups(keys, share, f"watched/{seed}")


class Watch:
    """What the looks at the watched rows have told so far; it survives in checkpoints."""

    def __init__(self, rows: Sequence[int], every: int, patience: int) -> None:
        self.rows, self.every, self.patience = list(rows), every, patience
        self.best_step, self.best_loss, self.last_loss, self.worse = 0, math.inf, math.inf, 0
        self.best: Tensors = {}

    def is_due(self, step: int, steps: int) -> bool:
        """Say whether the rows are looked at after `step` of `steps`: every so often, and at the end."""
        return bool(self.rows) and (step % self.every == 0 or step == steps)

    def take(self, step: int, loss: float, weights: Tensors) -> None:
        """Note the loss after a step; the weights of the lowest are kept, the first of equals."""
        self.last_loss = loss
        if loss < self.best_loss:
            self.best_step, self.best_loss, self.worse, self.best = step, loss, 0, weights
        else:
            self.worse += 1

    @property
    def is_over(self) -> bool:
        """Say whether `patience` looks in a row brought nothing better."""
        return 0 < self.patience <= self.worse

    def state(self) -> dict[str, float]:
        """Give what a checkpoint keeps beside the best weights; nothing before the first look."""
        if not self.best:
            return {}
        names = ("best_step", "best_loss", "last_loss", "worse")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: Mapping[str, float], best: Tensors) -> None:
        """Take up what a checkpoint kept."""
        for name, value in state.items():
            setattr(self, name, value)
        self.best = best
