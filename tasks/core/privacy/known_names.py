"""Names known from the log's own columns: who asked and who answered, where the text speaks of them."""

import re
import string
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.words import NO_NAMES


class Spelling(NamedTuple):
    """One way to write a name: in lower case, whether its first letter must be a capital in the text, and the name."""

    lowered: str
    capital: bool
    name: str


def find_name(text: str, lowered: str, spelling: Spelling) -> Iterator[Finding]:
    """Find a name as a whole word, also after an at sign; a part of a full name only where it is capitalised."""
    place = lowered.find(spelling.lowered)
    while place >= 0:
        end = place + len(spelling.lowered)
        if stands_alone(text, place, end) and not (spelling.capital and text[place].islower()):
            yield Finding(place - (text[place - 1 : place] == "@"), end, "NAME", spelling.name)
        place = lowered.find(spelling.lowered, place + 1)


def spellings(names: Sequence[str]) -> list[Spelling]:
    """Give how names may be written; nothing for roles, for numbers, and for what is too short to be sure."""
    return [spelling for name in names if len(name) > 2 for spelling in _spellings(name)]


@lru_cache(maxsize=4096)
def _spellings(given: str) -> tuple[Spelling, ...]:
    name = given.strip().lower()
    if len(name) < 3 or name in NO_NAMES or not any(map(str.isalpha, name)):
        return ()
    whole = Spelling(name, capital=False, name=name)
    return (whole,) if name.isalnum() and name.isascii() else (whole, *_other_spellings(name))


def _other_spellings(name: str) -> list[Spelling]:
    """Give the spellings of a full name, or of a handle made of one such as `anna.sand7`."""
    halves = re.split("[._-]", name.rstrip(string.digits))
    is_full = len(halves) == 2 and all(len(half) > 2 and half.isalpha() for half in halves)
    parts = halves if is_full else name.replace(",", " ").split()
    found = [Spelling(" ".join(parts), capital=False, name=name)] if len(parts) > 1 else []
    found += [Spelling(part, capital=True, name=name) for part in parts if found and _may_stand_for(part)]
    if not name.isascii():
        whole = Spelling(name, capital=False, name=name)
        found += [one._replace(lowered=_unaccented(one.lowered)) for one in (whole, *found)]
    return found


def _may_stand_for(part: str) -> bool:
    return (
        len(part.strip(".")) > 2 and part not in NO_NAMES and part.replace("'", "").replace("-", "").isalpha()
    )


def _unaccented(text: str) -> str:
    return normalize("NFD", text).encode("ascii", "ignore").decode() or text


def stands_alone(text: str, start: int, end: int) -> bool:
    """Say whether a span is no part of a longer word."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() or before == "_" or after.isalnum() or after == "_")
