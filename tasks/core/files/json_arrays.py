"""JSON arrays: the elements of one large list or object, each as its own bytes.

Only brackets, commas and strings are told apart here; each element is then parsed as strictly as a line. So a bad element
costs itself alone, where a streaming parser of values would stop at it and would have lost repeated keys and NaN.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO

from tasks.core.errors import DataError
from tasks.core.files.cutting import BLOCK, HeldBack
from tasks.core.files.parsing import BLANK, BOM, MAX_LINE, Record, Unreadable, parse_line
from tasks.core.files.records import Found, Founds, Tally, found_record

_BETWEEN = re.compile(rb'[^"{}\[\],]*+(?:"[^"]*+"[^"{}\[\],]*+)*+')
_WITHIN = re.compile(rb'[^"{}\[\]]*+(?:"[^"]*+"[^"{}\[\]]*+)*+')
_KEY = re.compile(rb'("(?:[^"\\]++|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_CLOSING = {b"[": b"]", b"{": b"}"}


def read_elements(stream: IO[bytes], tally: Tally, name: str, id_field: str) -> Founds:
    """Read the records of a JSON list, or of an object whose keys are their ids.

    A record of an object gets its key as `id_field` if it lacks one. A last element that was cut is held back, empty
    ones are blank. Raises `DataError` when the file is neither or has more after its end.
    """
    elements = _Elements(iter(lambda: stream.read(BLOCK), b""), name)
    for line, element in enumerate(elements, 1):
        if not element.data:
            tally.blank += 1
            continue
        one = _record(line, element.data, id_field, by_id=elements.closing == b"}")
        if element.ended or one.problem is None:
            _insist_on_records(one, name)
            yield one
        else:
            _insist_on_end(element, line, name)
            tally.held_back = HeldBack(line, element.size)


def _record(line: int, raw: bytes, id_field: str, *, by_id: bool) -> Found:
    record = _keyed(raw, id_field) if by_id else parse_line(raw)
    return Found(line, raw, record) if isinstance(record, Unreadable) else found_record(line, record)


def _keyed(raw: bytes, id_field: str) -> Record | Unreadable:
    match = _KEY.match(raw)
    if match is None:
        return Unreadable("not_json", "no key before the value")
    key, record = parse_line(b'{"key":%s}' % match[1]), parse_line(raw[match.end() :])
    if isinstance(key, Unreadable) or isinstance(record, Unreadable):
        return key if isinstance(key, Unreadable) else record
    return {id_field: key["key"], **record} if id_field and id_field not in record else record


def _insist_on_records(one: Found, name: str) -> None:
    if one.line == 1 and one.problem is not None and one.problem.rule == "not_an_object":
        raise DataError(
            f"The JSON of {name} is neither a list of records nor an object of records by their ids.",
            cure="Export the list itself, or one record a line as .jsonl.",
        )


def _insist_on_end(element: "_Element", line: int, name: str) -> None:
    if element.size > MAX_LINE:
        raise DataError(
            f"Element {line} of {name} has no end; a bracket or a quote is missing.", cure="Export it again."
        )


@dataclass(frozen=True)
class _Element:
    """The bytes of an element, of which `size` were written; `ended` when a comma or the last bracket followed."""

    data: bytes
    size: int
    ended: bool


class _Elements:
    """Iterate over the elements of a list or object; of one longer than a line may be, the beginning is kept."""

    def __init__(self, blocks: Iterator[bytes], name: str) -> None:
        self._head = next(blocks, b"").removeprefix(BOM).lstrip(BLANK)
        self._blocks, self._name = blocks, name
        if self._head[:1] not in _CLOSING:
            raise DataError(f"{name} holds no JSON list or object.", cure="Export a list of records as JSON.")
        self.closing = _CLOSING[self._head[:1]]
        self._depth = 1  # 0 after the end
        self._quoted = False
        self._begun = False  # whether there was an element
        self._kept, self._size = bytearray(), 0  # of the element under way

    def __iter__(self) -> Iterator[_Element]:
        carry = b""
        for block in chain([self._head[1:]], self._blocks):
            whole = carry + block
            carry = whole[len(whole) - (len(whole) - len(whole.rstrip(b"\\"))) % 2 :]  # half of an escape
            yield from self._scan(whole.removesuffix(carry))
        self._keep(carry)
        last = self._take(ended=False)
        if last.data:
            yield last

    def _scan(self, block: bytes) -> Iterator[_Element]:
        # without what is escaped, every quote left opens or closes a string
        shadow = block.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        start = at = 0
        while self._depth and (at := self._next(shadow, at)) < len(block):
            at += 1
            if self._ends_element(shadow[at - 1 : at]):
                self._keep(block[start : at - 1])
                start = at
                last = self._take(ended=True)
                if last.data or self._depth or self._begun:
                    yield last
                self._begun = True
        if not self._depth and block[start:].strip(BLANK):
            raise DataError(
                f"{self._name} has more after the end of its JSON.", cure="Give one list a file, or .jsonl."
            )
        self._keep(block[start:])

    def _next(self, shadow: bytes, at: int) -> int:
        """Give where the next bracket, comma or open string is, or the end of the block."""
        if self._quoted:
            at = shadow.find(b'"', at) + 1
            self._quoted = not at
        if self._quoted:
            return len(shadow)
        match = (_BETWEEN if self._depth == 1 else _WITHIN).match(shadow, at)
        return match.end() if match else at

    def _ends_element(self, byte: bytes) -> bool:
        """Go down or up, or into a string that the block does not end, and tell whether an element ends here."""
        if byte == b'"':
            self._quoted = True
        elif byte in b"{[":
            self._depth += 1
        elif byte in b"}]" and (self._depth > 1 or byte == self.closing):
            self._depth -= 1
            return self._depth == 0
        return byte == b"," and self._depth == 1

    def _keep(self, data: bytes) -> None:
        text = data if self._kept else data.lstrip(BLANK)
        self._kept += text[: MAX_LINE + 1 - len(self._kept)]
        self._size += len(data)

    def _take(self, *, ended: bool) -> _Element:
        element = _Element(bytes(self._kept).strip(BLANK), self._size, ended)
        self._kept.clear()
        self._size = 0
        return element
