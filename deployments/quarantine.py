"""`freshtune quarantine`: what a run rejected, and the way back for what a person has fixed."""

import difflib
import json
import re
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
FIELDS = tuple(  # of a row, that a person can write
    name for name in SCHEMA.names if SCHEMA.field(name).type == "string" and name != "row_id"
)
HEAD = f"{'row':<20} {'file':<28} {'line':>7}  {'rule':<30} reason"
NOT_HELD = {
    "filtered": "filtered",
    "duplicates": "left out as a duplicate",
    "over_length": "left out as over length",
}
MOST_RULES = 8  # that a sentence names


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
    """Find a row by its id or the beginning of it. Raises `SettingsError` when there is none, or several.

    Of one that was kept, and that others repeat, it says where it lies.
    """
    found = [row for row in rows if row["row_id"] == name] or [
        row for row in rows if row["row_id"].startswith(name)
    ]
    repeat = next(
        (row for row in rows if name and re.search(rf"\brow {re.escape(name)}\b", row["reason"])), None
    )
    if not found and repeat:
        raise SettingsError(
            f"The row {name[:40]} was kept: {repeat['row_id']} {repeat['reason']}.",
            cure="Only rows that were not kept can be shown; read it in its file.",
        )
    if len(found) != 1 or not name:
        count = f"{len(found)} rejected rows begin" if found else "No rejected row begins"
        raise SettingsError(
            f"{count} with {name[:40]!r}.", cure="See `freshtune quarantine list` for the ids."
        )
    return found[0]


def list_lines(rows: Sequence[Row]) -> list[str]:
    """Give how many rows broke which rule, then one line a row."""
    if not rows:
        return []
    rules = Counter(f"{row['fate']}: {row['rule']}" for row in rows)
    counts = [f"{count:>7,}  {rule}" for rule, count in rules.most_common()]
    lines = [
        f"{row['row_id']:<20} {row['file'][:28]:<28} {row['line']:>7}  {row['rule'][:30]:<30} {row['reason'][:60]}"
        for row in rows
    ]
    return [*counts, "", HEAD, *lines]


def nothing_chosen(rows: Sequence[Row], *, every: bool, rule: str) -> str:
    """Say that no row was chosen, and which rules there are."""
    others = Counter(row["rule"] for row in chosen(rows, every=every, rule=""))
    where = "that was not kept" if every else "in quarantine"
    if not others:
        return "Every row was kept." if every else "No row is in quarantine."
    named = ", ".join(f"{name} ({count:,})" for name, count in others.most_common(MOST_RULES))
    return f"No row {where} broke the rule {rule[:40]!r}; there are: {named}."


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
    """Take back one row with some of its fields changed.

    Raises `SettingsError` for a row that is not in quarantine, for an unknown field, and where question or reply is empty.
    """
    if rejected["fate"] != "quarantined":
        raise SettingsError(
            f"{rejected['row_id']} was {NOT_HELD[rejected['fate']]} ({rejected['rule']}), not quarantined: its content is not "
            "kept, so that it cannot be mended here.",
            cure=f"Mend it in the log ({rejected['file']}, line {rejected['line']}), or change the setting behind the rule.",
        )
    _insist_on_fields(changes)
    fields = {**json.loads(rejected["row"]), **changes}
    add_fixed(
        workspace, [_canonical("", rejected["row_id"], fields, "Give both: --set question=… --set reply=…")]
    )


def _insist_on_fields(changes: Mapping[str, str]) -> None:
    for name in changes:
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            meant = f"; did you mean {close[0]}?" if close else "."
            raise SettingsError(
                f"{name[:40]} is not a field of a row{meant}", cure=f"There are: {', '.join(FIELDS)}."
            )


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
    cure = "Write a `question` and a `reply` into its `row`."
    return _canonical(f"Line {number}: ", row_id, fields, cure)


def _canonical(where: str, row_id: str, fields: Row, cure: str) -> Row:
    texts = {name: fields.get(name) or "" for name in FIELDS}
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    empty = [
        name for name in ("question", "reply") if not isinstance(texts[name], str) or not texts[name].strip()
    ]
    if wrong or empty:
        names = ", ".join(dict.fromkeys([*wrong, *empty]))
        raise SettingsError(
            f"{where}{names} of {row_id} must be text, and question and reply not empty.", cure=cure
        )
    loose = {name: fields.get(name) for name in OUTCOME}
    return {**texts, **loose, "row_id": row_id, "line": 0, "history": fields.get("history") or []}
