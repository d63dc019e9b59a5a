"""What the doors print: steps while a flow runs, one JSON object or a text at the end, errors with their cure."""

import json
import math
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click

from tasks.core.report.tables import plain
from tasks.core.report.wording import clock, spoken

QUICK, SLOW = 3.0, 30.0  # seconds between two words on how far a step is, on a terminal and elsewhere
COLUMNS = 79
CLEAR, NEWLINE = "\r\x1b[K", "\n"


class StepTeller:
    """Says the steps of a run while it goes on: one line for each that is done, and how far a long one is.

    On a terminal the line of a long step is overwritten every few seconds; elsewhere one is added every half minute.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.clock = clock
        self.overwrites = self.stream.isatty()
        self.last = -math.inf

    def __call__(self, step: Any) -> None:
        """Tell of a step that is done, has begun, or is so far."""
        if step.state != "Running":
            self.last = -math.inf
            self._write(step_line(step))
        elif not step.told or self.clock() - self.last >= (QUICK if self.overwrites else SLOW):
            self.last = self.clock()
            self._write(
                shorten(f"  … {name_of(step)} {step.told}".rstrip(), COLUMNS), stays=not self.overwrites
            )

    def _write(self, line: str, *, stays: bool = True) -> None:
        before = CLEAR if self.overwrites else ""
        self.stream.write(f"{before}{line}{NEWLINE if stays else ''}")
        self.stream.flush()


def step_line(step: Any) -> str:
    """Give the line of a step that is done."""
    took = "from the store" if step.cached else clock(step.seconds)
    marks = {"Completed": "✓", "Pruned": "–"}
    mark = "·" if step.cached else marks.get(step.state, "✗")
    return f"  {mark} {name_of(step):<44} {took}"


def name_of(step: Any) -> str:
    """Name a step as people do, with the log file or the model that it works on."""
    if step.titled:
        return shorten(plain(step.part), 44)
    return shorten(plain(f"{spoken(step.name)}: {step.part}" if step.part else spoken(step.name)), 44)


def shorten(text: str, most: int) -> str:
    """Cut a text at a word to at most `most` characters, and say so with `…`."""
    if len(text) <= most:
        return text
    head = text[: most - 1]
    words = head.rpartition(" ")[0].rstrip(" ,;:.")
    return f"{words if len(words) > most // 2 else head}…"


def say(line: str) -> None:
    """Print a line on standard error, at once."""
    print(_cleared(line), file=sys.stderr, flush=True)


def _cleared(line: str) -> str:
    """Put a line where the line of a long step may still be."""
    return f"{CLEAR}{line}" if sys.stderr.isatty() else line


def print_result(record: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print a result on standard output: the record as one JSON object, or its text."""
    click.echo(json.dumps(record, ensure_ascii=False) if as_json else text.rstrip("\n"))


def fail(kind: str, message: str, cure: str, code: int, *, as_json: bool) -> NoReturn:
    """Print an error with its cure and exit with its code."""
    if as_json:
        error = {"type": kind, "message": message, "cure": cure}
        record = {"schema": 1, "status": "failed", "reason": message, "error": error}
        print_result(record, "", as_json=True)
    click.echo(_cleared(f"Error: {message}\n  {cure}"), err=True)
    sys.exit(code)


def keep_traceback(folder: Path) -> Path:
    """Keep the traceback of a bug in `folder`, or where that cannot be, among the temporary files; give its path."""
    text, name = traceback.format_exc(), f"bug-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / name).write_text(text, encoding="utf-8")
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="freshtune-"))
        (folder / name).write_text(text, encoding="utf-8")
    return folder / name
