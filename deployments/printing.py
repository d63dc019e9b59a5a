"""What the doors print: steps while a flow runs, one JSON object or a text at the end, errors with their cure."""

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click


def say_step(step: Any) -> None:
    """Print a line about a step that is done, on standard error."""
    took = "from the store" if step.cached else f"{step.seconds:.1f} s"
    mark = "·" if step.cached else "✓" if step.state == "Completed" else "✗"
    say(f"  {mark} {step.name:<20} {took}")


def say(line: str) -> None:
    """Print a line on standard error, at once."""
    print(line, file=sys.stderr, flush=True)


def print_result(record: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print a result on standard output: the record as one JSON object, or its text."""
    click.echo(json.dumps(record, ensure_ascii=False) if as_json else text.rstrip("\n"))


def fail(kind: str, message: str, cure: str, code: int, *, as_json: bool) -> NoReturn:
    """Print an error with its cure and exit with its code."""
    if as_json:
        error = {"type": kind, "message": message, "cure": cure}
        record = {"schema": 1, "status": "failed", "reason": message, "error": error}
        print_result(record, "", as_json=True)
    click.echo(f"Error: {message}\n  {cure}", err=True)
    sys.exit(code)


def keep_traceback(folder: Path) -> Path:
    """Keep the traceback of a bug in `folder` and give its path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"bug-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    path.write_text(traceback.format_exc(), encoding="utf-8")
    return path
