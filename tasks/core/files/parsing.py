"""Parsing: a line of a log becomes a record, or a reason why it cannot be one.

Stricter than the parsers it rests on: Python's accepts NaN, repeated keys and lone surrogates, orjson rounds large
integers and keeps the last of repeated keys. A record that passes can be written, hashed and tokenized again.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from typing import Any, NoReturn

import orjson

MAX_LINE = 2**20  # bytes
MAX_DEPTH = 64  # objects and lists within each other
MAX_DIGITS = 300  # of an integer; a float ends at 309
BOM = b"\xef\xbb\xbf"
NOT_UTF8 = "not_utf8"
TO_UTF8 = "`iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW`"  # what cures a file of another encoding
BLANK = b" \t\r\n"  # what JSON calls whitespace

_EXACT = 2.0**53  # below it a float is what was written, also for orjson
_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')
_MAYBE_BLANK = (b"\n\n", b"\n ", b"\n\t", b"\n\r")  # a quick look spares most files the pattern
_BLANK_LINE = re.compile(rb"\n[ \t\r]*+(?=\n)")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a line cannot be a record; the reason holds nothing of its text."""

    rule: str
    reason: str


LONG_LINE = Unreadable("long_line", f"longer than {MAX_LINE} bytes")
TOO_DEEP = Unreadable("too_deep", f"nested more than {MAX_DEPTH} levels deep")
Numbered = tuple[int, bytes, Record | Unreadable]


class Refused(Exception):  # noqa: N818 - a verdict on one record
    """Carry the verdict out of a record's depths."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule)
        self.verdict = Unreadable(rule, reason)


class _Doubtful(Exception):  # noqa: N818 - sends a line to the strict parser
    pass


def read_lines(data: bytes, first_line: int = 1) -> Iterator[Numbered]:
    r"""Give number, bytes and record of each line; blank lines are skipped (see `count_blank`).

    Lines end with `\n` alone, since JSON text may hold every other line separator of Unicode.
    """
    for line, whole in enumerate(BytesIO(_without_bom(data, first_line)), first_line):
        raw = whole.strip(BLANK)
        if raw:
            yield line, raw, parse_line(raw)


def count_blank(data: bytes, first_line: int = 1) -> int:
    """Count the lines that `read_lines` skips."""
    lines = _without_bom(data, first_line)
    text = b"\n" + lines + (b"" if not data or lines.endswith(b"\n") else b"\n")
    return len(_BLANK_LINE.findall(text)) if any(pair in text for pair in _MAYBE_BLANK) else 0


def _without_bom(data: bytes, first_line: int) -> bytes:
    return data.removeprefix(BOM) if first_line == 1 else data


def parse_line(raw: bytes) -> Record | Unreadable:
    """Parse one JSON object; never raises, whatever the bytes."""
    if len(raw) > MAX_LINE:
        return LONG_LINE
    record = _parse_quickly(raw)
    return _parse_strictly(raw) if record is None else record


def _parse_quickly(raw: bytes) -> Record | None:
    """Parse with orjson; give None where the strict parser might see it differently."""
    try:
        record = orjson.loads(raw)
        if type(record) is dict and _wrote(raw, _count_keys(record)) and not _SPACED_KEY.search(raw):
            return record
    except (orjson.JSONDecodeError, _Doubtful):
        pass
    return None


def _wrote(raw: bytes, keys: int) -> bool:
    r"""Tell whether no more keys were written; a quote that ends a key has no or an even number of `\` before it."""
    most = raw.count(b'":')
    return most == keys or most - raw.count(b'\\":') + raw.count(b'\\\\":') == keys


def _count_keys(value: Record | list[Any], depth: int = 1) -> int:
    """Count the keys at every depth; fewer than were written means that one was repeated."""
    if depth > MAX_DEPTH:
        raise _Doubtful
    count, items = (len(value), value.values()) if isinstance(value, dict) else (0, value)
    for item in items:
        kind = type(item)
        if kind is dict or kind is list:
            count += _count_keys(item, depth + 1)
        elif kind is float and not 0 < abs(item) < _EXACT:
            raise _Doubtful
    return count


def _parse_strictly(raw: bytes) -> Record | Unreadable:
    try:
        return _checked(raw.decode("utf-8"))
    except Refused as refusal:
        return refusal.verdict
    except UnicodeDecodeError as error:
        return Unreadable(NOT_UTF8, f"not valid UTF-8 at byte {error.start + 1}")
    except json.JSONDecodeError as error:
        return _syntax(error)
    except RecursionError:
        return TOO_DEEP


def _checked(text: str) -> Record:
    record = json.loads(
        text,
        object_pairs_hook=_no_repeats,
        parse_constant=_no_constant,
        parse_float=_finite,
        parse_int=_bounded,
    )
    if not isinstance(record, dict):
        raise Refused("not_an_object", f"a JSON {type(record).__name__} where an object is expected")
    if _too_deep(record):
        raise RecursionError
    if "\\u" in text:
        _insist_on_pairs(record)
    return record


def _no_repeats(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Refused("repeated_key", "a key appears twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise Refused("not_finite", f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise Refused("not_finite", "a number too large to hold")
    return number


def _bounded(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise Refused("long_number", f"an integer of more than {MAX_DIGITS} digits")
    return int(text)


def _too_deep(value: Record | list[Any], left: int = MAX_DEPTH) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return left < 1 or any(_too_deep(item, left - 1) for item in items if isinstance(item, (dict, list)))


def _insist_on_pairs(record: Record) -> None:
    try:
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("lone_surrogate", "half of a surrogate pair, which is no character") from None


def _syntax(error: json.JSONDecodeError) -> Unreadable:
    if error.msg == "Extra data":
        return Unreadable("extra_data", f"more than one JSON value, the second at character {error.pos + 1}")
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return Unreadable("cut_off", "the end of the object is missing")
    return Unreadable("not_json", f"not valid JSON at character {error.pos + 1}")
