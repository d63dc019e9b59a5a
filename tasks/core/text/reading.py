"""Reading: log files become rows with canonical columns; what cannot be read is rejected, never lost.

A row id is the hash of the row's own bytes, so it is the same wherever the file lies and whatever else is in it.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NoReturn

from tasks.core.errors import DataError

MAX_LINE = 2**20  # bytes
REQUIRED = ("conversation", "question", "reply")
TEXTS = ("question", "reply")
ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "csv"}
Columns = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Rejected:
    """A line that cannot be a row; `raw` is private."""

    row_id: str
    rule: str
    reason: str
    line: int
    raw: str


class _Unreadable(Exception):  # noqa: N818 - a verdict on one line
    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule)
        self.rule, self.reason = rule, reason


Record = dict[str, Any]
Numbered = tuple[int, bytes, Record | _Unreadable]


def read_log(path: Path, columns: Columns, file_format: str) -> tuple[list[dict[str, str]], list[Rejected]]:
    """Read a JSON-lines or CSV file into rows, and give the lines that cannot be rows.

    `columns` says which columns of the file make each canonical column; several are joined by an empty line.
    Raises `DataError` for a file that is empty, of another shape, or without a column that is needed.
    """
    kind = _kind(path, file_format)
    numbered = list(_read_csv(path) if kind == "csv" else _read_jsonl(path))
    if not numbered:
        raise DataError(f"{path} is empty.", cure="Leave it out, or check how it was exported.")
    records = [record for _, _, record in numbered if isinstance(record, dict)]
    if not records:
        raise DataError(
            f"No line of {path} is a JSON object.", cure="Logs are JSON lines, one object a line, or CSV."
        )
    _insist_on_columns(path, records, columns)
    return _sort(numbered, columns)


def _sort(numbered: Sequence[Numbered], columns: Columns) -> tuple[list[dict[str, str]], list[Rejected]]:
    rows: list[dict[str, str]] = []
    rejected: list[Rejected] = []
    seen: Counter[str] = Counter()
    for line, raw, record in numbered:
        row_id = _row_id(raw, seen)
        try:
            if isinstance(record, _Unreadable):
                raise record
            rows.append({"row_id": row_id, **_canonical(record, columns)})
        except _Unreadable as problem:
            text = raw[:MAX_LINE].decode("utf-8", "backslashreplace")
            rejected.append(Rejected(row_id, problem.rule, f"line {line}: {problem.reason}", line, text))
    return rows, rejected


def _kind(path: Path, file_format: str) -> str:
    kind = ENDINGS.get(path.suffix.lower()) if file_format == "auto" else file_format
    if kind is None:
        raise DataError(
            f"{path} ends in none of {', '.join(ENDINGS)}.",
            cure="Unpack or rename it, or set logs.format to jsonl or csv.",
        )
    return kind


def _read_jsonl(path: Path) -> Iterator[Numbered]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            raw = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip(b" \t\r\n")
            if raw:
                yield number, raw, _parse(raw)


def _parse(raw: bytes) -> Record | _Unreadable:
    """Parse one line; Python's own parser accepts NaN, repeated keys and lone surrogates, we do not."""
    try:
        if len(raw) > MAX_LINE:
            raise _Unreadable("long_line", f"longer than {MAX_LINE} bytes")
        record = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_repeats, parse_constant=_no_constant)
        json.dumps(record, ensure_ascii=False).encode("utf-8")
        if not isinstance(record, dict):
            raise _Unreadable("not_an_object", f"a JSON {type(record).__name__} where an object is expected")
    except _Unreadable as problem:
        return problem
    except UnicodeError:
        return _Unreadable("not_utf8", "not valid UTF-8")
    except RecursionError:
        return _Unreadable("not_json", "nested too deeply")
    except ValueError:
        return _Unreadable("not_json", "not valid JSON")
    return record


def _no_repeats(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise _Unreadable("repeated_key", "a key appears twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise _Unreadable("not_json", f"{name} is not JSON")


def _read_csv(path: Path) -> Iterator[Numbered]:
    csv.field_size_limit(MAX_LINE)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text.", cure="Export it as UTF-8.") from None
    reader = csv.DictReader(
        io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True
    )
    try:
        for record in reader:
            fields = {str(name): value for name, value in record.items() if name is not None}
            raw = json.dumps(fields, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
            whole = None not in record and None not in record.values()
            yield (
                reader.line_num,
                raw,
                fields if whole else _Unreadable("columns", "another number of columns than the header"),
            )
    except csv.Error as error:
        raise DataError(
            f"{path} is not valid CSV near line {reader.line_num}.", cure="Export it again."
        ) from error


def _insist_on_columns(path: Path, records: Sequence[Record], columns: Columns) -> None:
    present = {name for record in records for name in record}
    for name in REQUIRED:
        missing = [column for column in columns[name] if column not in present]
        if missing:
            setting = "id" if name == "conversation" else name
            raise DataError(
                f"{path} has no column {', '.join(missing)}; its columns are {_short(present)}.",
                cure=f"Say which it is with --set logs.fields.{setting}=COLUMN.",
            )


def _short(names: set[str]) -> str:
    shown = [name[:40] for name in sorted(names)[:20]]
    return ", ".join(shown) + (" …" if len(names) > len(shown) else "")


def _canonical(record: Record, columns: Columns) -> dict[str, str]:
    return {
        name: "\n\n".join(filter(None, (_text(name, record.get(column)) for column in sources)))
        for name, sources in columns.items()
    }


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if name not in TEXTS and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _Unreadable("wrong_type", f"{name} is a {type(value).__name__} where text is expected")


def _row_id(raw: bytes, seen: Counter[str]) -> str:
    """Hash a row; the second of equal rows gets `-2`."""
    row_id = blake2b(raw, digest_size=8).hexdigest()
    seen[row_id] += 1
    return row_id if seen[row_id] == 1 else f"{row_id}-{seen[row_id]}"
