"""Light markup: links, images and forum codes that people type become plain text; what might be meant is left alone.

Emphasis by stars, headings, fences and list marks stay: they read well as they are.
"""

import re

from tasks.core.normalizing.markup_writing import with_target

TARGET = r"<?((?:https?://|ftp://|mailto:|www\.)[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?: \"[^\"\n]*\")?"
IMAGE = re.compile(rf"!\[([^\[\]\n]{{0,300}})\]\( ?{TARGET} ?\)")
LINK = re.compile(rf"\[([^\[\]\n]{{0,300}})\]\( ?{TARGET} ?\)")
CODES = frozenset(
    re.findall(r"\S+", "b i u s url email img quote code color size font center left right list spoiler")
)
CODE = re.compile(r"\[(/?)([a-z]{1,8})(?:=([^\[\]\n]{0,300}))?\]", re.IGNORECASE)
QUOTES = re.compile(r"(?<!')('''|''''')(?![\s'])([^'\n]{1,300}(?:'[^'\n]{1,300}){0,5})(?<!\s)\1(?!')")
PLACEHOLDER = re.compile(
    r"'''bold text'''|''italic text''|\*\*bold text\*\*|(?<![*\w])\*italic text\*(?![*\w])"
)


def lighten(text: str, told: set[str]) -> str:
    """Take off Markdown links and images, paired forum codes, and bold by wiki quotes; adds `markup` to `told`."""
    if not may_be_light(text):
        return text
    before = text
    if "](" in text:
        text = LINK.sub(_link, IMAGE.sub(r"\1", text))
    if "[/" in text:
        text = _without_codes(text)
    if " text*" in text or " text''" in text:
        text = PLACEHOLDER.sub("", text)
    if "'''" in text:
        text = QUOTES.sub(r"\2", text)
    if text != before:
        told.add("markup")
    return text


def may_be_light(text: str) -> bool:
    """Say whether a text has a sign of light markup."""
    return "[" in text or "''" in text or "*" in text


def _link(match: re.Match[str]) -> str:
    return with_target(match[1], match[2])


def _without_codes(text: str) -> str:
    """Take off `[b]…[/b]` and the like; an opening without its end is no code."""
    put: dict[tuple[int, int], str] = {}
    opened: list[re.Match[str]] = []
    for found in CODE.finditer(text):
        name = found[2].lower()
        if name not in CODES:
            continue
        if not found[1]:
            opened.append(found)
        elif any(one[2].lower() == name for one in opened[-4:]):
            while opened[-1][2].lower() != name:
                opened.pop()
            put.update(_pair(opened.pop(), found))
    pieces, position = [], 0
    for start, end in sorted(put):
        pieces += [text[position:start], put[start, end]]
        position = max(position, end)
    return "".join([*pieces, text[position:]])


def _pair(start: re.Match[str], end: re.Match[str]) -> dict[tuple[int, int], str]:
    name, value = start[2].lower(), (start[3] or "").strip("\"' ")
    inner = start.string[start.end() : end.start()]
    if name == "img":
        return {(start.start(), end.end()): ""}
    if name == "url" and value and "[" not in inner:
        return {(start.start(), end.end()): with_target(inner, value)}
    around = "\n" if name in ("quote", "code", "list", "center") else ""
    return {start.span(): around, end.span(): around}
