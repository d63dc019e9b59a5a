"""Telling: what a person is told of the steps of a run while it goes on."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from deployments.printing import COLUMNS, name_of, shorten, step_line

SLOW = 30.0  # seconds between two words on how far a long step is, where nobody watches a terminal
BAR, REFRESHES = 24, 6  # columns, and times a second
STYLES = {"✓": "green", "·": "dim", "–": "yellow", "✗": "bold red"}
Teller = Callable[[Any], None]


@contextmanager
def telling(*, quiet: bool = False, verbose: bool = False, stream: TextIO | None = None) -> Iterator[Teller]:
    """Give what tells of steps: live on a terminal, line by line elsewhere, nothing if it shall be `quiet`.

    With `verbose`, what became of the rows is told with each step.
    """
    shown = stream or sys.stderr
    if quiet:
        yield lambda _step: None
    elif shown.isatty() and os.environ.get("TERM") != "dumb":
        with _live(shown, verbose=verbose) as tell:
            yield tell
    else:
        yield LineTeller(shown, verbose=verbose)


class LineTeller:
    """Says one line for each step that is done, and every half minute how far a long one is."""

    def __init__(
        self, stream: TextIO, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stream, self.verbose, self.clock = stream, verbose, clock
        self.last = -math.inf

    def __call__(self, step: Any) -> None:
        """Tell of a step that is done, has begun, or is so far."""
        if step.state != "Running":
            self.last = -math.inf
            self._write(done_line(step, verbose=self.verbose))
        elif step.long and not step.told:
            self.last = self.clock()
            self._write(f"  … {name_of(step)}")
        elif step.told and self.clock() - self.last >= SLOW:
            self.last = self.clock()
            self._write(shorten(f"  … {name_of(step)} {step.told}", COLUMNS))

    def _write(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()


def done_line(step: Any, *, verbose: bool) -> str:
    """Give the line of a step that is done, with what became of the rows where that is asked for."""
    return step_line(step) + (f"\n      {step.told}" if verbose and step.told else "")


@contextmanager
def _live(stream: TextIO, *, verbose: bool) -> Iterator[Teller]:
    """Show the steps that are running below those that are done, each with its time, and a bar where its length is known."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=True)
    progress = Progress(
        SpinnerColumn(style="cyan"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=BAR),
        TextColumn("{task.fields[told]}", style="dim", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=REFRESHES,
    )
    running: dict[tuple[str, str], TaskID] = {}

    def tell(step: Any) -> None:
        key = (step.name, step.part)
        if step.state == "Running":
            if key not in running:
                running[key] = progress.add_task(f" {name_of(step)}", total=None, told="")
            total = None if step.share is None else 1.0
            room = max(console.width - len(name_of(step)) - BAR - 16, 8)
            progress.update(
                running[key], total=total, completed=step.share or 0.0, told=shorten(step.told, room)
            )
            return
        if key in running:
            progress.remove_task(running.pop(key))
        line = done_line(step, verbose=verbose)
        mark = line.strip()[:1]
        progress.console.print(Text(line, style=STYLES.get(mark, "") if mark != "✓" else ""))

    with progress:
        console.show_cursor(show=True)  # a run that is killed would leave the terminal without one
        yield tell
