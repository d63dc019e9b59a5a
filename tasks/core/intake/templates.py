"""Templates: a part of the question or the reply is one column, or columns set into a text by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.intake.values import LONGEST, Unfit, text_of

Line = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Template:
    """Lines of (text before, column) pairs; a pair without a column ends its line."""

    lines: tuple[Line, ...]
    columns: tuple[str, ...]

    def fill(self, record: Mapping[str, Any], name: str) -> str:
        """Set the columns in; what is missing takes along its line, or the text that ties it to its neighbours."""
        values = {column: text_of(record.get(column), name) for column in self.columns}
        filled = {column: value for column, value in values.items() if value and not value.isspace()}
        if not filled:
            return ""
        text = "\n".join(_close_gaps([_fill_line(line, filled) for line in self.lines]))
        if len(text) > LONGEST:
            raise Unfit("too_long", f"{name} has more than {LONGEST} characters")
        return text


def columns_of(part: str) -> tuple[str, ...]:
    """Name the columns of a part: its own name, or those that a template holds."""
    return parse_template(part).columns if is_template(part) else (part,)


def is_template(part: str) -> bool:
    """Say whether a part is a template; a plain column name has no braces."""
    return "{" in part or "}" in part


def fill_parts(record: Mapping[str, Any], parts: Sequence[str], name: str) -> str:
    """Join the parts that are there by an empty line. Raises `Unfit` where one is not text, or all are too long."""
    if len(parts) == 1:
        return fill_part(record, parts[0], name)
    texts = [fill_part(record, part, name) for part in parts]
    joined = "\n\n".join([text for text in texts if text and not text.isspace()])
    if len(joined) > LONGEST:
        raise Unfit("too_long", f"{name} has more than {LONGEST} characters")
    return joined


def fill_part(record: Mapping[str, Any], part: str, name: str) -> str:
    """Give what a column holds, or fill a template. Raises `Unfit` where it is not text, or too long."""
    if "{" in part or "}" in part:
        return parse_template(part).fill(record, name)
    return text_of(record.get(part), name)


@lru_cache(maxsize=64)
def parse_template(text: str) -> Template:
    """Parse a template with plain column names in braces; `{{` and `}}` are braces.

    Raises `SettingsError` for a brace left open, an attribute, an index, a conversion or a format.
    """
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        raise _wrong(text, "has a brace without its partner") from None
    for _, column, form, conversion in pieces:
        if column is not None and (form or conversion or not column or set(column) & set(".[]{}!:")):
            raise _wrong(text, "may hold plain column names only")
        if column is not None and column.isdigit():
            raise _wrong(text, "may hold column names, not numbers")
    columns = tuple(dict.fromkeys(column for _, column, *_ in pieces if column))
    if not columns:
        raise _wrong(text, "names no column")
    return Template(tuple(_lines(pieces)), columns)


def _wrong(text: str, problem: str) -> SettingsError:
    shown = text[:80].encode("unicode_escape").decode("ascii")
    return SettingsError(
        f"The template {shown} {problem}.",
        cure="Write columns as {subject} and {body}, and a brace itself as {{ or }}.",
    )


def _lines(pieces: Sequence[tuple[str, str | None, str | None, str | None]]) -> list[Line]:
    lines: list[list[tuple[str, str]]] = [[]]
    for literal, column, *_ in pieces:
        first, *rest = literal.split("\n")
        lines[-1].append((first, ""))
        lines.extend([(line, "")] for line in rest)
        text = lines[-1].pop()[0]
        lines[-1].append((text, column or ""))
    return [_tidy(line) for line in lines]


def _tidy(line: list[tuple[str, str]]) -> Line:
    """Join texts that no column parts: an escaped brace cuts them."""
    tidy: list[tuple[str, str]] = []
    before = ""
    for text, column in line:
        before += text
        if column:
            tidy.append((before, column))
            before = ""
    return (*tidy, (before, ""))


def _fill_line(line: Line, filled: Mapping[str, str]) -> str | None:
    """Fill one line; None is a line all of whose columns are missing.

    The text before the first column and after the last goes with that column; text between two columns is
    kept where it still stands between two.
    """
    *fields, (after, _) = line
    if not fields:
        return after
    kept = [(place, text, column) for place, (text, column) in enumerate(fields) if column in filled]
    if not kept:
        return None
    parts = [
        ("" if count == 0 and place > 0 else text) + filled[column]
        for count, (place, text, column) in enumerate(kept)
    ]
    return "".join(parts) + (after if kept[-1][0] == len(fields) - 1 else "")


def _close_gaps(lines: list[str | None]) -> list[str]:
    """Leave out the missing lines, and of the empty lines around them all but the longest run."""
    if None not in lines:
        return [line for line in lines if line is not None]
    closed: list[str] = []
    gap = longest = 0
    for line in lines:
        if line:
            closed += [""] * (longest if closed else 0) + [line]
            gap = longest = 0
        else:
            gap = 0 if line is None else gap + 1
            longest = max(longest, gap)
    return closed
