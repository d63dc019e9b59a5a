"""Tables: the records of CSV and TSV files.

A cell may hold line ends, so a quote that nobody closed would swallow the rows after it. Where the parser notices, only
the line that the record began on is given up, and the others are read again: in all no more bytes than were read before,
so that a hostile file takes at most twice its time.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO

from tasks.core.errors import DataError
from tasks.core.files.cutting import HeldBack
from tasks.core.files.parsing import BOM, LONG_LINE, MAX_LINE, NOT_UTF8, TO_UTF8, Unreadable
from tasks.core.files.records import Found, Founds, Tally, found_record

DELIMITERS = {"csv": ",", "tsv": "\t"}
SPOKEN = {";": "`;`", "\t": "a tab", ",": "a comma", "|": "`|`"}  # what parts columns, as people name it
MOST_LINES = 500  # of a cell that may still be growing; with more, its quote is taken to be a mistake
_COLUMNS = Unreadable("columns", "another number of columns than the header")
_QUOTES = Unreadable("not_csv", "a quote that is not closed, or not doubled within a cell")
_NOT_UTF8 = Unreadable(NOT_UTF8, "not valid UTF-8")
Columns = list[tuple[str, int]]


def read_table(stream: IO[bytes], tally: Tally, name: str, file_format: str) -> Founds:
    """Read the records of a table, whose first one names the columns; keys are sorted.

    The last record is held back when no line end follows, since a cut cell looks like a whole one. Raises `DataError`
    when the header has an empty or a repeated name, or another delimiter.
    """
    csv.field_size_limit(2 * MAX_LINE)
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=DELIMITERS[file_format], strict=True)
    header = _first_record(reader)
    if header == []:
        return
    if lines.may_grow():
        tally.held_back = HeldBack(1, lines.size)
    elif header is None:
        raise DataError(f"The first line of {name} names no columns.", cure="Export it again, as CSV.")
    else:
        yield from _read_records(reader, lines, _columns(header, name), tally)


def _first_record(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next((cells for cells in reader if cells), [])
    except (csv.Error, _TooLong):
        return None


def _columns(header: list[str], name: str) -> Columns:
    names = [" ".join(cell.split()) for cell in header]
    wrong = [number for number, one in enumerate(names, 1) if not one or names.index(one) < number - 1]
    if wrong:
        raise DataError(
            f"Column {wrong[0]} of {name} has no name, or one that another column has.",
            cure="Give each column a name of its own in the first line.",
        )
    if len(names) == 1 and (seen := [words for other, words in SPOKEN.items() if other in header[0]]):
        which = f" ({seen[0]})" if len(seen) == 1 else ""
        raise DataError(
            f"{name} has another delimiter{which} than its ending says.",
            cure="Export it with commas as .csv, or with tabs as .tsv.",
        )
    if any("\udc80" <= letter <= "\udcff" for letter in "".join(names)):
        raise DataError(
            f"A column name of {name} is not UTF-8 text.",
            cure=f"Export it as UTF-8, or convert it: {TO_UTF8}.",
        )
    return sorted(zip(names, range(len(names)), strict=True))


def _read_records(reader: Iterator[list[str]], lines: "_Lines", columns: Columns, tally: Tally) -> Founds:
    while True:
        lines.begin()
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong):
            if lines.may_grow():
                tally.held_back = HeldBack(line, lines.size)
                return
            text = lines.give_up()
            yield Found(line, text, LONG_LINE if len(text) > MAX_LINE else _QUOTES)
            continue
        if len(cells) < 2 and not "".join(cells).strip():
            tally.blank += 1
        elif not lines.ended:
            tally.held_back = HeldBack(line, lines.size)
        else:
            yield _record(line, cells, columns, lines)


def _record(line: int, cells: list[str], columns: Columns, lines: "_Lines") -> Found:
    if len(cells) != len(columns):
        return Found(line, lines.raw(), _COLUMNS)
    try:
        return found_record(line, {name: cells[at] for name, at in columns})
    except UnicodeEncodeError:
        return Found(line, lines.raw(), _NOT_UTF8)


class _TooLong(Exception):  # noqa: N818 - a verdict on one record
    pass


class _Lines:
    """The lines of a stream as text, and the bytes of those that the record under way has taken."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._again: deque[bytes] = deque()
        self._taken: list[bytes] = []
        self._fresh = self._repeated = 0  # bytes
        self._over = False
        self.number = 0  # of the last line taken
        self.size = 0  # bytes taken
        self.ended = True  # whether the last line had a line end

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            self._over = True
            raise StopIteration
        self.number += 1
        self._taken.append(line)
        self.size += len(line)
        self.ended = line.endswith(b"\n")
        if self.size > MAX_LINE:
            raise _TooLong
        return line.decode("utf-8", "surrogateescape")

    def _read(self) -> bytes:
        """Read a line; of one that is too long, the beginning and the line end."""
        line = more = self._stream.readline(MAX_LINE + 1)
        while len(line) > MAX_LINE and more and not more.endswith(b"\n"):
            more = self._stream.readline(MAX_LINE)
        if len(line) > MAX_LINE and more is not line:
            line += more[-1:]
        self._fresh += len(line)
        return line if self.number else line.removeprefix(BOM)

    def begin(self) -> None:
        """Begin a record."""
        self._taken.clear()
        self.size = 0
        self._over = False

    def raw(self) -> bytes:
        """Give the bytes of the record under way."""
        return b"".join(self._taken)

    def may_grow(self) -> bool:
        """Tell whether the file ends within the record under way, as one does that is still being written."""
        return not self.ended or (self._over and len(self._taken) <= MOST_LINES)

    def give_up(self) -> bytes:
        """Give the first line of the record under way and let the others be taken again; or give them all."""
        first, *others = self._taken
        size = self.size - len(first)
        if self._repeated + size > self._fresh:
            return self.raw()
        self._repeated += size
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        return first
