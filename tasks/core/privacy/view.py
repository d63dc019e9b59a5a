"""The view: what all finders look at, a text in a plain form and in lower case.

The plain form has as many characters as the text, so that a span in one is a span in the other.
"""

import re
from typing import NamedTuple

ZEROS = (
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20,
    0x1040, 0x17E0, 0x1810,
)  # fmt: skip
PLAIN = (
    {zero + digit: chr(0x30 + digit) for zero in ZEROS for digit in range(10)}
    | {0xFF01 + offset: chr(0x21 + offset) for offset in range(94)}  # full-width ASCII
    | dict.fromkeys((0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000), " ")
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")
    | dict.fromkeys((0x201C, 0x201D, 0x201E, 0x201F, 0xAB, 0xBB), '"')
    | dict.fromkeys((0x2018, 0x2019, 0x201A, 0x201B), "'")
    | {0x2024: ".", 0x3002: "."}
    # letters of other scripts that patterns which ignore case take for ASCII
    | {0x130: "I", 0x131: "i", 0x17F: "s", 0x212A: "K"}
)
ODD = re.compile(f"[{re.escape(''.join(map(chr, PLAIN)))}]")


class View(NamedTuple):
    """A text in its plain form, and that in lower case."""

    text: str
    lowered: str


def plain_form(text: str) -> str:
    """Give a text with digits, blanks, hyphens and quotes of all scripts as those of ASCII."""
    # few characters of a text are odd: putting these is several times faster than to translate all
    return text if text.isascii() else ODD.sub(lambda odd: PLAIN[ord(odd[0])], text)


def line_before(text: str, place: int, characters: int) -> str:
    """Give what stands before a place in its line, at most so many characters."""
    start = max(0, place - characters)
    return text[max(start, text.rfind("\n", start, place) + 1) : place]
