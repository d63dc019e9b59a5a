"""Normalization: markup becomes text, encodings are mended, invisible characters go.

The result is stable: normalizing it again changes nothing.
"""

import re

from tasks.core.normalizing.encodings import has_hidden, plain_characters
from tasks.core.normalizing.light_markup import lighten, may_be_light
from tasks.core.normalizing.markers import has_marker, neutralize_markers
from tasks.core.normalizing.markup import HAS_BLOCK, defuse, has_markup, html_to_text

__all__ = [
    "has_hidden",
    "has_marker",
    "has_markup",
    "neutralize_markers",
    "normalize",
    "normalize_text",
    "tidy",
]

LAYERS = 12
# White space but blanks and line feeds, `[^\S\n ]`, spelled out: the search takes half the time.
ODD_BLANK = re.compile("[\t\x0b-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


def normalize_text(text: str) -> str:
    """Turn a log's text into plain, composed Unicode with single blanks and at most one empty line in a row."""
    return normalize(text)[0]


def normalize(text: str) -> tuple[str, set[str]]:
    """Normalize a text; give it and what was found.

    That is any of `html`, `entities`, `markup`, `mojibake`, `invisible`, `unicode` and `whitespace`. Markup that was escaped
    inside markup is unwrapped too, layer by layer: one pass would leave its tags as text.
    """
    told: set[str] = set()
    keep_lines = "<" not in text or not HAS_BLOCK.search(text)
    for _ in range(LAYERS):
        again = _peel(text, told, keep_lines=keep_lines)
        if again == text or _is_bare(again, text, told):
            return again, told
        text, keep_lines = again, True
    return _peel(defuse(text), told, keep_lines=True), told


def tidy(text: str) -> str:
    """Leave single blanks, none at the ends of lines, and at most one empty line in a row."""
    if "\t" in text or not text.isascii():
        text = ODD_BLANK.sub(" ", text)
    while "  " in text:
        text = text.replace("  ", " ")
    if " \n" in text or "\n " in text:
        text = "\n".join([line.strip() for line in text.split("\n")])
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()


def _is_bare(text: str, before: str, told: set[str]) -> bool:
    """Say whether another layer cannot be there, which spares most texts the look for it."""
    if "<" in text or "&" in text or may_be_light(text) or "&#" in before or "mojibake" in told:
        return False
    return text.isascii() or plain_characters(text, told) == text


def _peel(text: str, told: set[str], *, keep_lines: bool) -> str:
    text = plain_characters(text, told)
    if "<" in text or "&" in text:
        text = html_to_text(text, told, keep_lines=keep_lines)
    text = lighten(text, told)
    tidied = tidy(text)
    if tidied != text:
        told.add("whitespace")
    return tidied
