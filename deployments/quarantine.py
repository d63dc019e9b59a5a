"""`freshtune quarantine`: what a run rejected, and the way back for what a person has fixed."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.intake.canonical import OUTCOME, SCHEMA
from tasks.core.store.fixed_rows import add_fixed
from tasks.core.store.quarantine import read_quarantine
from tasks.core.store.run_files import TABLE

Row = dict[str, Any]


def read_table(run: Path) -> list[Row]:
    """Give the rejected rows of a run. Raises `SettingsError` when the run came to no table."""
    if not (run / TABLE).exists():
        raise SettingsError(
            f"The run {run.name} has no quarantine.",
            cure="It ended before its data was read, or a requester was forgotten since.",
        )
    return read_quarantine(run / TABLE)


def chosen(rows: Sequence[Row], *, every: bool, rule: str) -> list[Row]:
    """Give the rows in quarantine, or `every` row that was not kept, by rule if one is named."""
    return [
        row for row in rows if (every or row["fate"] == "quarantined") and (not rule or row["rule"] == rule)
    ]


def public(row: Mapping[str, Any]) -> Row:
    """Give a row's entry without its content."""
    return {name: value for name, value in row.items() if name != "row"}


def find_row(rows: Sequence[Row], name: str) -> Row:
    """Find a row by its id or the beginning of it. Raises `SettingsError` when there is none, or several."""
    found = [row for row in rows if row["row_id"] == name] or [
        row for row in rows if row["row_id"].startswith(name)
    ]
    if len(found) != 1 or not name:
        count = f"{len(found)} rejected rows begin" if found else "No rejected row begins"
        raise SettingsError(
            f"{count} with {name[:40]!r}.", cure="See `freshtune quarantine list` for the ids."
        )
    return found[0]


def list_lines(rows: Sequence[Row]) -> list[str]:
    """Give one line a row, and how many broke which rule."""
    lines = [
        f"{row['row_id']:<20} {row['file'][:28]:<28} {row['line']:>7}  {row['rule'][:30]:<30} {row['reason'][:60]}"
        for row in rows
    ]
    rules = Counter(f"{row['fate']}: {row['rule']}" for row in rows)
    return [*lines, "", *(f"{count:>7,}  {rule}" for rule, count in rules.most_common())] if rows else []


def export(rows: Sequence[Row], target: Path) -> int:
    """Write rows in quarantine as JSON lines to mend, mode 0600, and give their number."""
    target.touch(mode=0o600)
    target.chmod(0o600)
    with target.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({**public(row), "row": json.loads(row["row"])}, ensure_ascii=False) + "\n")
    return len(rows)


def readmit(workspace: Path, rejected: Sequence[Row], path: Path) -> int:
    """Take back the mended rows of an exported file, all or none, and give their number.

    Raises `SettingsError` that names the first line which cannot be taken back, and why.
    """
    known = {row["row_id"]: row for row in rejected if row["fate"] == "quarantined"}
    fixed = [_mended(number, line, known) for number, line in enumerate(_lines(path), 1)]
    add_fixed(workspace, fixed)
    return len(fixed)


def fix(workspace: Path, rejected: Row, changes: Mapping[str, str]) -> None:
    """Take back one row with some of its fields changed."""
    line = json.dumps({**rejected, "row": {**json.loads(rejected["row"] or "{}"), **changes}})
    add_fixed(workspace, [_mended(1, line, {rejected["row_id"]: rejected})])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read.", cure="Give a file that `freshtune quarantine export` wrote."
        ) from error


def _mended(number: int, line: str, known: Mapping[str, Row]) -> Row:
    """Make the canonical row of one mended line."""
    try:
        given = json.loads(line)
        row_id, row = given["row_id"], given["row"]
        fields = dict(row.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError(
            f"Line {number} is not an exported row.", cure="Keep its `row_id` and `row`."
        ) from None
    entry = known.get(row_id)
    if entry is None:
        raise SettingsError(
            f"Line {number}: {row_id} is not in this run's quarantine.",
            cure="See `freshtune quarantine list`.",
        )
    return _canonical(number, row_id, fields)


def _canonical(number: int, row_id: str, fields: Row) -> Row:
    texts = {name: fields.get(name) or "" for name in SCHEMA.names if SCHEMA.field(name).type == "string"}
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    empty = [
        name for name in ("question", "reply") if not isinstance(texts[name], str) or not texts[name].strip()
    ]
    if wrong or empty:
        names = ", ".join(dict.fromkeys([*wrong, *empty]))
        raise SettingsError(
            f"Line {number}: {names} of {row_id} must be text, and question and reply not empty.",
            cure="Write a `question` and a `reply` into its `row`.",
        )
    loose = {name: fields.get(name) for name in OUTCOME}
    return {**texts, **loose, "row_id": row_id, "line": 0, "history": fields.get("history") or []}
