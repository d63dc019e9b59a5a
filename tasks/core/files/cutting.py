"""Cutting: a file of lines becomes shards of bounded size, at line ends that its content chooses.

Once a shard has its least size, it ends after the first line whose hash is small for its length. The same lines are
chosen again wherever they lie, so lines put in early in a file move the boundaries near them and no others; a rule by
size or count would move every later one, and all that work would be done again.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from tasks.core.errors import DataError
from tasks.core.files.containers import open_file
from tasks.core.files.parsing import BLANK, BOM, Unreadable, parse_line
from tasks.core.files.remote import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 24 * 2**20  # bytes
MOST = 64 * 2**20  # bytes
BLOCK = 2**20  # bytes read at a time
MIX = 2654435761  # Knuth's, spreads sums over 32 bits


@dataclass(frozen=True)
class Range:
    """A shard of a file: whole lines, of which the first has the number `first_line`; `digest` is their sha256.

    A line longer than any shard may be stands alone, and only its beginning is in the range.
    """

    start: int
    length: int
    first_line: int
    lines: int
    digest: str


@dataclass(frozen=True)
class HeldBack:
    """An unfinished end of a file, left for the next run: the number of its line and its size in bytes."""

    line: int
    bytes: int


@dataclass(frozen=True)
class Piece:
    """Whole lines: where they are, how many, whether the last has its line end, and whether the shard ends with them.

    `length` is more than `data` has where a line is too long for any shard.
    """

    offset: int
    length: int
    data: bytes
    lines: int
    ended: bool
    closes: bool


def cut_lines(path: Path, *, least: int = LEAST, most: int = MOST) -> tuple[list[Range], HeldBack | None]:
    """Cut a file of lines into ranges in one pass, in bounded memory.

    A last line without a line end counts when it is a whole JSON object, and else is held back.
    """
    ranges: list[Range] = []
    held_back = None
    shard = _Shard(1)
    with open_file(path) as file:
        for piece in cut(iter(lambda: file.read(BLOCK), b""), least=least, most=most):
            held_back = unfinished(piece, shard.next_line) or held_back
            if not held_back:
                shard.add(piece)
            if shard.lines and piece.closes:
                ranges.append(shard.range())
                shard = _Shard(shard.next_line)
    return ranges, held_back


class _Shard:
    def __init__(self, first_line: int) -> None:
        self.first_line = self.next_line = first_line
        self.start = self.length = self.lines = 0
        self.digest = hashlib.sha256()

    def add(self, piece: Piece) -> None:
        self.start = self.start if self.lines else piece.offset
        self.length += len(piece.data)
        self.lines += piece.lines
        self.next_line += piece.lines
        self.digest.update(piece.data)

    def range(self) -> Range:
        return Range(self.start, self.length, self.first_line, self.lines, self.digest.hexdigest())


def unfinished(piece: Piece, line: int) -> HeldBack | None:
    """Tell whether the last line of a file is still being written: it has no line end and is no whole object."""
    if piece.ended:
        return None
    text = (piece.data.removeprefix(BOM) if line == 1 else piece.data).strip(BLANK)
    return HeldBack(line, piece.length) if text and isinstance(parse_line(text), Unreadable) else None


def read_range(path: Path, start: int, length: int, digest: str) -> bytes:
    """Read a range again; raises `DataError` when its bytes are other than those that were cut."""
    with open_file(path) as file:
        file.seek(start)
        data = file.read(length)
    if hashlib.sha256(data).hexdigest() != digest:
        raise DataError(
            f"{printable(path.name)} changed while it was read.",
            cure="Start again; only adding lines at its end is safe at any time.",
        )
    return data


def is_boundary(line: bytes, spread: int) -> bool:
    """Tell whether a shard may end after this line; chosen lines are `spread` bytes apart on average."""
    return crc32(line) * spread < len(line) << 32


def _first_boundary(lines: bytes, spread: int) -> int:
    """Give where the first line ends that a shard may end after, or 0.

    All lines are hashed at once, since a loop takes seconds for the short lines of a bomb. A line longer than a block,
    which can only be the first, is left out: its hash would take four times its memory.
    """
    import numpy as np

    first = lines.find(b"\n") + 1
    if first > BLOCK:
        other = _first_boundary(lines[first:], spread)
        return first + other if other else 0
    letters = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(letters == ord("\n")) + 1
    if not len(ends):
        return 0
    lengths = np.diff(ends, prepend=0)
    sums = np.add.reduceat(_weights()[letters], ends - lengths, dtype=np.uint32)
    chosen = (sums * np.uint32(MIX)).astype(np.uint64) * spread < lengths.astype(np.uint64) << 32
    return int(ends[chosen.argmax()]) if chosen.any() else 0


@cache
def _weights() -> "NDArray[np.uint32]":
    import numpy as np

    return np.array([crc32(bytes([letter])) for letter in range(256)], np.uint32)


def spread_of(least: int, most: int) -> int:
    """Give the distance of chosen lines with which 1 shard in 150 finds none between its least and most size."""
    return max(1, (most - least) // 5)


def cut(blocks: Iterable[bytes], *, least: int, most: int) -> Iterator[Piece]:
    """Cut a stream into pieces of whole lines; the last one closes its shard."""
    cutter = _Cutter(least, most)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.finish()


class _Cutter:
    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self._spread = spread_of(least, most)
        self._offset = 0  # of the first byte not yet given
        self._size = 0  # bytes of the shard under way
        self._line: list[bytes] = []  # the beginning of a line whose end has not come
        self._kept = self._dropped = 0  # bytes of that line

    def feed(self, block: bytes) -> Iterator[Piece]:
        end = block.rfind(b"\n") + 1
        if end:
            yield from self._cut(b"".join((*self._line, block[:end])), ended=True)
            self._line, self._kept, self._dropped = [], 0, 0
        self._keep(block[end:])

    def finish(self) -> Iterator[Piece]:
        yield from self._cut(b"".join(self._line), ended=False)
        if self._size:
            yield self._piece(b"", ended=True, closes=True)

    def _keep(self, block: bytes) -> None:
        kept = block[: max(0, self._most + 1 - self._kept)]  # one byte more than any shard may have
        self._line.append(kept)
        self._kept += len(kept)
        self._dropped += len(block) - len(kept)

    def _cut(self, lines: bytes, *, ended: bool) -> Iterator[Piece]:
        at = 0
        while at < len(lines):
            end, closes = self._next(lines, at)
            yield self._piece(lines[at:end], ended=ended, closes=closes)
            at = end

    def _next(self, lines: bytes, at: int) -> tuple[int, bool]:
        """Give where the next piece ends and whether that ends the shard."""
        limit = at + self._most - self._size
        floor = at + max(0, self._least - self._size)
        if len(lines) < floor:
            return len(lines), False
        begin = max(at, lines.rfind(b"\n", at, max(at, floor - 1)) + 1)
        last = max(begin, lines.rfind(b"\n", begin, limit) + 1)
        chosen = _first_boundary(lines[begin:last], self._spread)
        if chosen:
            return begin + chosen, True
        if len(lines) <= limit:
            return len(lines), False
        alone = last == at and not self._size
        return (lines.find(b"\n", at) + 1 or len(lines) if alone else last), True

    def _piece(self, data: bytes, *, ended: bool, closes: bool) -> Piece:
        length = len(data) + (self._dropped if len(data) > self._most else 0)
        count = data.count(b"\n") + (0 if ended or not data else 1)
        piece = Piece(self._offset, length, data[: self._most], count, ended or not data, closes)
        self._offset += length
        self._size = 0 if closes else self._size + len(data)
        return piece
