"""Answer collection: the replies of all parts in one file, what was refused in another beside it, in the order of the rows."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.errors import DataError, SettingsError
from tasks.core.receipts import AnsweredPart, AskedVersion, Questions
from tasks.core.serving.questions import REFUSED, REPLIES
from tasks.core.store.artifacts import disk_full
from tasks.core.store.rows import iterate_rows, write_rows
from tasks.core.store.syncing import sync


def check_target(target: Path, source: Path) -> None:
    """Insist, before anything runs, on a place for the replies. Raises `SettingsError` where there is none."""
    for place in (target, refused_beside(target)):
        if place.is_dir() or (place.exists() and source.exists() and place.samefile(source)):
            what = "is a folder" if place.is_dir() else "is the file with the questions"
            raise SettingsError(f"{place} {what}.", cure="Give another file with --out.")
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{target.parent} is no folder that can be written to.", cure="Give another file with --out."
        )


def refused_beside(target: Path) -> Path:
    """Name the file of the refused rows: `replies.rejected.jsonl` beside `replies.jsonl`."""
    return target.with_name(f"{target.stem}.rejected.jsonl")


def collect_answers(
    workspace: Path,
    questions: Questions,
    answered: Sequence[AnsweredPart],
    version: AskedVersion,
    target: Path,
) -> dict[str, Any]:
    """Write both files, each whole or not at all, and give the figures: every row is in one of them.

    Raises `DataError` when the rows do not add up, `DiskFull` in place of the system's error.
    """
    label = f"{version.name}/{version.number}"
    folders = [part.folder(workspace) for part in answered]
    replies = ({**row, "model": label} for row in _rows(folders, REPLIES))
    try:
        refused = _write(refused_beside(target), _rows(folders, REFUSED))
        told = _write(target, replies)
    except OSError as error:
        raise disk_full(error, target.parent) or error from error
    rows = {"in": questions.counts["in"], "answered": told, "refused": refused}
    if told + refused != rows["in"]:
        raise DataError(f"The rows do not add up: {json.dumps(rows)}.", cure="Start again; report this.")
    tokens = {
        "prompt": sum(part.prompt_tokens for part in answered),
        "reply": sum(part.reply_tokens for part in answered),
    }
    return {"rows": rows, "tokens": tokens, "out": str(target), "rejected": str(refused_beside(target))}


def _rows(folders: Sequence[Path], name: str) -> Iterator[dict[str, Any]]:
    for folder in folders:
        yield from iterate_rows(folder / name)


def _write(target: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows aside, for their owner alone, and rename them into place."""
    aside = target.with_name(f"{target.name}.writing")
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600)
    count = write_rows(aside, rows)
    sync(aside)
    aside.rename(target)
    sync(target.parent)
    return count
