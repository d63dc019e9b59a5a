"""Unpacking: a file that is not plain lines becomes part files of lines, written as it is read.

A compressed or distant file of lines keeps its lines as they are; of every other format a part holds one
`[line,record]` a line, so that each record can still be found in the file it came from.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Literal, Self

from tasks.core.files.containers import open_stream
from tasks.core.files.cutting import BLOCK, LEAST, MOST, HeldBack, cut, is_boundary, spread_of, unfinished
from tasks.core.files.finding import Source
from tasks.core.files.json_arrays import read_elements
from tasks.core.files.parquet_rows import read_rows
from tasks.core.files.parsing import Numbered, count_blank, parse_line, read_lines
from tasks.core.files.records import Founds, Tally, read_found, write_found
from tasks.core.files.tables import read_table

PartKind = Literal["lines", "records"]


@dataclass(frozen=True)
class Part:
    """A part file: whether its lines are those of the log or numbered records, and the sha256 of its bytes."""

    name: str
    kind: PartKind
    first_line: int
    records: int
    length: int
    digest: str


@dataclass(frozen=True)
class Unpacked:
    """What a file was unpacked to: records in parts, an unfinished end, blank lines."""

    parts: tuple[Part, ...]
    held_back: HeldBack | None
    blank: int


def unpack(
    source: Source,
    file_format: str,
    compression: str,
    folder: Path,
    *,
    max_unpacked: int,
    id_field: str = "",
    least: int = LEAST,
    most: int = MOST,
) -> Unpacked:
    """Write the records of a file to part files in `folder`, of bounded size and in bounded memory.

    `id_field` is where a record of a JSON object by ids gets its id. Raises `DataError` for a file that is damaged, a
    bomb, or of another format.
    """
    tally = Tally()
    kind: PartKind = "lines" if file_format == "jsonl" else "records"
    with (
        closing(open_stream(source, compression, max_unpacked)) as stream,
        _Parts(folder, kind, least, most) as parts,
    ):
        if file_format == "jsonl":
            _write_lines(stream, parts, tally)
        else:
            _write_records(
                _founds(stream, source.name, file_format, folder, tally, max_unpacked, id_field), parts
            )
    return Unpacked(tuple(parts.done), tally.held_back, tally.blank)


def stream_records(
    source: Source, file_format: str, compression: str, folder: Path, *, max_unpacked: int, id_field: str = ""
) -> Iterator[Numbered]:
    """Give number, bytes and record of each record of a file as its parts would hold them; nothing is kept.

    What must be read from its end is copied to a nameless file in `folder`. Raises what `unpack` raises.
    """
    with closing(open_stream(source, compression, max_unpacked)) as stream:
        if file_format == "jsonl":
            line = 1
            for piece in cut(iter(lambda: stream.read(BLOCK), b""), least=LEAST, most=MOST):
                yield from read_lines(piece.data, line)
                line += piece.lines
            return
        for one in _founds(stream, source.name, file_format, folder, Tally(), max_unpacked, id_field):
            yield one.line, one.text, one.problem or parse_line(one.text)


def read_part(data: bytes, kind: PartKind, first_line: int) -> Iterator[Numbered]:
    """Give number, bytes and record of each line of the log that a part holds."""
    return read_lines(data, first_line) if kind == "lines" else map(read_found, BytesIO(data))


def _founds(
    stream: IO[bytes],
    name: str,
    file_format: str,
    folder: Path,
    tally: Tally,
    max_unpacked: int,
    id_field: str,
) -> Founds:
    """Give the records of a file that is not lines."""
    match file_format:
        case "json":
            yield from read_elements(stream, tally, name, id_field)
        case "parquet":
            with closing(_seekable(stream, folder)) as file:
                yield from read_rows(file, name, max_unpacked)
        case _:
            yield from read_table(stream, tally, name, file_format)


def _write_lines(stream: IO[bytes], parts: "_Parts", tally: Tally) -> None:
    line = 1
    for piece in cut(iter(lambda: stream.read(BLOCK), b""), least=parts.least, most=parts.most):
        tally.held_back = unfinished(piece, line) or tally.held_back
        if piece.data and not tally.held_back:
            blank = count_blank(piece.data, line)
            parts.write(piece.data, line, piece.lines - blank)
            tally.blank += blank
            line += piece.lines
        if piece.closes:
            parts.end()


def _write_records(founds: Founds, parts: "_Parts") -> None:
    spread = spread_of(parts.least, parts.most)
    for one in founds:
        text = write_found(one)
        if parts.size + len(text) > parts.most:
            parts.end()
        parts.write(text, one.line, 1)
        if parts.size >= parts.least and is_boundary(one.text, spread):
            parts.end()


def _seekable(stream: IO[bytes], folder: Path) -> IO[bytes]:
    """Give the stream itself, or a copy in a nameless file, since Parquet is read from its end."""
    if stream.seekable():
        return stream
    with stream:
        copy = TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(stream, copy, BLOCK)
    copy.seek(0)
    return copy


class _Parts:
    """Part files that are written one after the other."""

    def __init__(self, folder: Path, kind: PartKind, least: int, most: int) -> None:
        self.done: list[Part] = []
        self.least, self.most = least, most
        self.size = 0  # bytes of the part under way
        self._folder, self._kind = folder, kind
        self._file: IO[bytes] | None = None
        self._begin()

    def _begin(self) -> None:
        self.size = self._records = self._first_line = 0
        self._digest = hashlib.sha256()

    def write(self, data: bytes, line: int, records: int) -> None:
        if self._file is None:
            self._file = (self._folder / self._name).open("wb")
            self._first_line = line
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
        self._records += records

    @property
    def _name(self) -> str:
        return f"part-{len(self.done):05}.jsonl"

    def end(self) -> None:
        """End the part under way; the next line begins another."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        digest = self._digest.hexdigest()
        part = Part(self._name, self._kind, self._first_line, self._records, self.size, digest)
        self.done.append(part)
        self._begin()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        elif self._file is not None:
            self._file.close()
