"""Needles: what would give somebody away (their name, ids, pieces of their texts), and looking for all of it at once.

Needles are in memory only, and never in a message.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

TAIL = 8  # bytes, the last of a needle, that it is looked up by; a shorter one would be found everywhere
LEAST, PIECE = 20, 32  # characters of a piece of text
BITS = 20
ODD = np.uint64(0x9E3779B97F4A7C15)
# Between characters that JSON or HTML write otherwise: within one such run a text is the same bytes in every file.
RUN = re.compile(rf"""[^"\\<>&'\x00-\x1f\x7f]{{{LEAST},}}""")


class Needles:
    """Some byte strings, of `TAIL` bytes or more, that are looked for together."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self.all = frozenset(one for one in needles if len(one) >= TAIL)
        self.longest = max(map(len, self.all), default=TAIL)
        by_tail: dict[int, list[bytes]] = {}
        for one in sorted(self.all):
            by_tail.setdefault(int.from_bytes(one[-TAIL:], "little"), []).append(one)
        self._by_tail = by_tail
        self._tails = np.array(sorted(by_tail), np.uint64)
        self._maybe = np.zeros(2**BITS, np.bool_)
        self._maybe[_slot(self._tails)] = True

    def within(self, data: bytes) -> set[bytes]:
        """Give those needles that are in `data`."""
        return set(self._seen(data)) if self.all else set()

    def without(self, needles: Iterable[bytes]) -> "Needles":
        """Give the others."""
        return Needles(self.all.difference(needles))

    def _seen(self, data: bytes) -> Iterator[bytes]:
        """Look at every eight bytes in a row as one number, which takes no copy: a table tells which may end a needle."""
        for offset in range(min(TAIL, max(len(data) - TAIL + 1, 0))):
            windows = np.frombuffer(data, "<u8", (len(data) - offset) // TAIL, offset)
            maybe = np.flatnonzero(self._maybe[_slot(windows)])
            near = np.searchsorted(self._tails, windows[maybe]).clip(max=len(self._tails) - 1)
            found = maybe[self._tails[near] == windows[maybe]]
            for place, tail in zip(
                ((found + 1) * TAIL + offset).tolist(), windows[found].tolist(), strict=True
            ):
                yield from (
                    one for one in self._by_tail[tail] if data[max(place - len(one), 0) : place] == one
                )


def _slot(windows: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    slots: npt.NDArray[np.uint64] = (windows * ODD) >> np.uint64(64 - BITS)
    return slots


def pieces_of(text: str) -> Iterator[bytes]:
    """Cut a text into pieces that are the same bytes in JSON, HTML and tables; those of other scripts also as JSON escapes."""
    for run in RUN.findall(text):
        for start in range(0, len(run) - LEAST + 1, PIECE):
            piece = run[start : start + PIECE].strip()
            if len(piece) >= LEAST:
                yield from written(piece)


def written(text: str) -> set[bytes]:
    """Give a text as UTF-8 and as JSON escapes write it."""
    return {text.encode("utf-8", "surrogatepass"), json.dumps(text)[1:-1].encode()}


def fields_of(name: str, value: str) -> set[bytes]:
    """Give a value as JSON writes it under its name, spaced and not: so it is found whole, however short it is."""
    forms = {json.dumps(value), json.dumps(value, ensure_ascii=False)}
    pairs = (f'"{name}":{space}{form}' for form in forms for space in ("", " "))
    return {one.encode("utf-8", "surrogatepass") for one in pairs}


def is_telling(value: str, common: str) -> bool:
    """Say whether a name or id gives somebody away wherever it stands: it is long, no plain word, and not in `common`."""
    return len(value.encode("utf-8", "surrogatepass")) >= TAIL and not value.isalpha() and value not in common


def needles_of(
    requester: str, conversations: Iterable[str], records: Iterable[str], texts: Iterable[str], common: str
) -> Needles:
    """Give all that would give a requester away; `common` is text of the workspace that anybody may see."""
    told = [one for one in (requester, *conversations) if is_telling(one, common)]
    pairs = [("requester", requester), *(("conversation", one) for one in conversations)]
    return Needles(
        chain(
            chain.from_iterable(map(written, (*told, *records))),
            chain.from_iterable(fields_of(name, value) for name, value in pairs if value),
            chain.from_iterable(map(pieces_of, texts)),
        )
    )
