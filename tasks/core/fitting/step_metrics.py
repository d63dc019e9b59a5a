"""The metrics of a training's steps: a file that the trainer adds to, and that its parent follows."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tasks.core.store.syncing import write_whole

Metrics = Mapping[str, float]


def add_step(path: Path, metrics: Metrics) -> None:
    """Add a step at the end."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(metrics) + "\n")


def cut_after(path: Path, step: int) -> None:
    """Drop the lines after `step`, and a line that a kill cut off: those steps are taken again."""
    if not path.exists():
        return
    kept = [line for line in _whole_lines(path) if json.loads(line)["step"] <= step]
    write_whole(path, "".join(kept))


def steps_so_far(path: Path) -> list[dict[str, float]]:
    """Read the steps that a trainer has left, in order; none where it was never started."""
    return [json.loads(line) for line in _whole_lines(path)] if path.exists() else []


def _whole_lines(path: Path) -> list[str]:
    """Give the lines of a file without one that a kill cut off."""
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


class FollowedSteps:
    """Follow a growing file of metrics, telling each step that is taken from now on once.

    A trainer that goes on from a checkpoint first writes the file anew without the steps after it, and takes those again.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.place, self.file = path, 0, 0
        self.latest = max((metrics["time"] for metrics in self._new()), default=0.0)

    def tell(self, on_metric: Callable[[Metrics], None]) -> None:
        """Tell of what is new."""
        for metrics in self._new():
            if metrics["time"] > self.latest:
                self.latest = metrics["time"]
                on_metric(metrics)

    def _new(self) -> list[dict[str, float]]:
        """Read the whole lines that were written since the last look."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            number = os.fstat(file.fileno()).st_ino
            if number != self.file:
                self.file, self.place = number, 0
            file.seek(self.place)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.place += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
