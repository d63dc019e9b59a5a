"""Introductions: a word that calls what follows a secret, the link between them, and what the value looks like."""

import re
from collections.abc import Callable, Iterator, Sequence

from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.view import View

# Where a value that was tried begins and ends, and whether it is a secret.
Tried = tuple[int, int, bool]

LINK = (
    r"[\"'`*]{0,2}(?:[ \t]?(?P<colon>[:=]>?|>)| ?->| -(?= )|[ \t](?P<lautet>lautet)\b:?"
    r"|[ \t](?:is|was|ist|war|est|c'est|es|era)(?: now| jetzt)?(?P<colon_too>:?)(?=[ \t])|(?P<blank>(?=[ \t\"'`])))"
)
VALUE = r"[ \t]?[(\[]?(?:(?P<quote>[\"'`])(?P<quoted>[^\"'`\n]{1,80})(?P=quote)|(?P<bare>[^\s\"'`<>]{2,512}))"
MIXED = re.compile(r"(?=.*[0-9]).*[^\W\d_]")
# Digits, signs or a capital where words have none.
ODD = re.compile(r"[0-9]{4}|[0-9]\D|\D[0-9]|[!$%&*#@^~+=?_|\\]\w|\w[$%&*#@^~+=_|\\]|[a-z][A-Z]")
VERSION = re.compile(
    r"v?[0-9]+(?:\.[0-9]+)+\w*|[0-9]+(?:st|nd|rd|th|x|[gmk]b|bit|min|days?)|0x[0-9a-f]+", re.IGNORECASE
)


def at_each(
    stems: Sequence[str], whole_words: Sequence[str], try_at: Callable[[str, int], Tried | None]
) -> Callable[[View], Iterator[Finding]]:
    """Make a finder that tries where one of the stems stands, and goes on behind the value that it tried there.

    Those of `whole_words` only count where no letter stands before them.
    """

    def find(view: View) -> Iterator[Finding]:
        for stem in (*stems, *whole_words):
            place = view.lowered.find(stem)
            while place >= 0:
                begins = stem not in whole_words or not view.lowered[place - 1 : place].isalpha()
                start, end, holds = (try_at(view.text, place) if begins else None) or (0, 0, False)
                if holds:
                    yield Finding(start, end, "SECRET", view.text[start:end])
                place = view.lowered.find(stem, max(place + len(stem), end))

    return find


def value_span(match: re.Match[str]) -> tuple[int, int]:
    """Give the span of the value, without what ends its sentence or begins the next parameter."""
    if match["quoted"]:
        return match.span("quoted")
    value = match["bare"]
    if match["colon"] == "=":
        value = re.split("[&;]", value, maxsplit=1)[0]
    return match.start("bare"), match.start("bare") + len(value.rstrip(".,;:?)]}"))


def is_mixed(value: str) -> bool:
    """Say whether a value has letters and digits and is no version, ordinal or error code."""
    return MIXED.match(value) is not None and VERSION.fullmatch(value) is None
