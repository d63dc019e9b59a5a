"""Records: what was found in a file that is not lines, on its way to lines."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from tasks.core.files.cutting import HeldBack
from tasks.core.files.parsing import LONG_LINE, MAX_LINE, Numbered, Record, Unreadable, parse_line


class Found(NamedTuple):
    """A record as one line of JSON; or, with a problem, the private text that cannot be one.

    `line` is the number of its first line in a table of text, and of the record itself in JSON and Parquet.
    """

    line: int
    text: bytes
    problem: Unreadable | None = None


@dataclass
class Tally:
    """What is in a file besides its records."""

    blank: int = 0
    held_back: HeldBack | None = None


Founds = Iterator[Found]


def found_record(line: int, record: Record) -> Found:
    """Give a record as a line of JSON; too long a one is none."""
    text = dump(record)
    return Found(line, text) if len(text) <= MAX_LINE else Found(line, text[:MAX_LINE], LONG_LINE)


def dump(record: Record) -> bytes:
    """Write JSON on one line, the same for equal records in the same order of keys."""
    try:
        return orjson.dumps(record)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def write_found(one: Found) -> bytes:
    """Give the line of a part file: `[line,record]`, or `[line,null,rule,reason,text]` for what cannot be one."""
    if one.problem is None:
        return b"[%d,%s]\n" % (one.line, one.text)
    text = one.text[:MAX_LINE].decode("utf-8", "backslashreplace")
    return orjson.dumps([one.line, None, one.problem.rule, one.problem.reason, text]) + b"\n"


def read_found(whole: bytes) -> Numbered:
    """Read what `write_found` wrote."""
    number, _, text = whole[1:-2].partition(b",")
    if text.startswith(b"{"):
        return int(number), text, parse_line(text)
    line, _, rule, reason, private = orjson.loads(whole)
    return line, str(private).encode("utf-8"), Unreadable(rule, reason)
