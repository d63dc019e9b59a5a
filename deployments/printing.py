"""What the doors print: steps while a flow runs, one JSON object or a text at the end, errors with their cure."""

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from tasks.core.report.receipt_texts import counts_sentence
from tasks.core.report.tables import plain
from tasks.core.report.wording import clock, spoken

COLUMNS = 79


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
    print(line, file=sys.stderr, flush=True)


def print_result(record: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print a result on standard output: the record as one JSON object, or its text."""
    click.echo(json.dumps(record, ensure_ascii=False) if as_json else text.rstrip("\n"))


def fail(
    kind: str, message: str, cure: str, code: int, *, as_json: bool, run: Mapping[str, Any] | None = None
) -> NoReturn:
    """Print an error with its cure, and what is known of the `run` that it ended, and exit with its code."""
    if as_json:
        error = {"type": kind, "message": message, "cure": cure}
        record = {**(run or {}), "schema": 1, "status": "failed", "reason": message, "error": error}
        print_result(record, "", as_json=True)
    lines = [
        f"{click.style('Error:', fg='red', bold=True) if _has_colour() else 'Error:'} {message}",
        f"  {cure}",
        *_run_lines(run or {}),
    ]
    click.echo("\n".join(lines), err=True)
    sys.exit(code)


def _run_lines(run: Mapping[str, Any]) -> Iterator[str]:
    """Say how far the rows of a run came, and where its report is."""
    if run.get("rows"):
        yield f"  rows    {counts_sentence(run['rows'])}"
    if run.get("report"):
        yield f"  report  {os.path.relpath(run['report'])}"


def _has_colour() -> bool:
    """Say whether standard error is a terminal that wants colours (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


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
