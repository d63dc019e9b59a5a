"""Encodings: text decoded with the wrong encoding is mended, Unicode composed, and what nobody can see goes.

Most texts hold nothing of the kind, and asking costs more than mending: UTF-8 bytes are asked first, where a set of
characters is a handful of bytes (a search among them takes a fifth of the time), then the pattern that decides.
"""

import re
import unicodedata

# C0 and C1 controls but tab and line breaks, which are white space.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Soft hyphen, fillers, bidirectional and zero-width controls, tags, private use, noncharacters. U+FE0F stays: it is
# part of common emoji. Unassigned characters stay: they are those of a newer Unicode.
HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff"
    "\uffa0\ufff0-\ufffb\ufdd0-\ufdef\ufffe\uffff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
# Zero-width joiners spell words in Persian and Indic scripts and join emoji; anywhere else they only hide.
SPELLED = "\u0620-\u08ff\u0900-\u0dff\u1780-\u17b3\u17b6-\u17d3\u2640-\u27bf\ufb50-\ufdcf\ufe0f\U0001f000-\U0001faff"
INVISIBLE = re.compile(f"[{HIDDEN}]")
LOOSE_JOINER = re.compile(rf"(?<![{SPELLED}])[\u200c\u200d]|[\u200c\u200d](?![{SPELLED}])")
LINE_BREAK = re.compile("[\x0b\x0c\x85\u2028\u2029]|\r\n?")
MOJIBAKE = re.compile(
    "[ÂÃâÅÐ][\u0080-\u00bf\u2013-\u203a\u20ac\u2122\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc]"
)
# Pieces end at a blank after ASCII. ftfy's time grows with the square of a damaged stretch (1,000 characters: 0.1 s,
# 8,000: 4.7 s); in pieces, and with a limit on length, a text costs at most a quarter of a second.
PIECE = re.compile(r".{1,200}(?:(?<=[!-~])[ \n]|\Z)|.{1,200}", re.DOTALL)
LONGEST_MENDED = 10_000  # characters; a longer text is left as it is
MARKS = 8  # combining marks on one character; Hebrew and Vietnamese need four
FLOOD = re.compile(rf"[^\w\s\x00-\x7f]{{{MARKS + 1},}}")

# What UTF-8 makes of them, and of little else.
BYTES_OF_HIDDEN = re.compile(
    rb"[\xc2\xcd\xd8\xe1-\xe3\xed-\xef\xf3\xf4](?:(?<=\xc2)[\x80-\x9f\xad]|(?<=\xcd)\x8f|(?<=\xd8)\x9c"
    rb"|(?<=\xe1)[\x85\x9e\xa0]|(?<=\xe2)(?:\x80[\x8b-\x8f\xa8-\xae]|\x81[\xa0-\xaf])|(?<=\xe3)\x85"
    rb"|(?<=\xed)[\xa0-\xbf]|(?<=[\xee\xef\xf3\xf4]))"
)
BYTES_OF_MOJIBAKE = re.compile(rb"\xc3[\x82\x83\x85\x90\xa2][\xc2\xc5\xc6\xcb\xe2]")
BYTES_OF_PLAIN = bytes([9, 10, *range(0x20, 0x7F), *range(0x80, 0x100)])
BYTES_BELOW_MARKS = bytes(range(0xCC))  # combining marks begin at U+0300, which begins with 0xCC


def plain_characters(text: str, told: set[str]) -> str:
    """Give composed Unicode of visible characters, with line feeds as the only line breaks.

    Adds to `told` what was found: `mojibake`, `invisible`, `unicode`.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > len(text):
        text = _plain_unicode(text, data, told)
    if data.translate(None, BYTES_OF_PLAIN):
        text = LINE_BREAK.sub("\n", text)
        text = _told(text, CONTROL.sub("", text), "invisible", told)
    return text


def has_hidden(text: str) -> bool:
    """Say whether a text still holds control or invisible characters."""
    if CONTROL.search(text):
        return True
    suspect = not text.isascii() and BYTES_OF_HIDDEN.search(text.encode("utf-8", "surrogatepass"))
    return bool(suspect) and _without_hidden(text) != text


def _plain_unicode(text: str, data: bytes, told: set[str]) -> str:
    hidden = BYTES_OF_HIDDEN.search(data)
    if hidden:
        sound = text.encode("utf-8", "ignore").decode()  # without lone surrogates
        text = _told(text, sound, "unicode", told)
    if BYTES_OF_MOJIBAKE.search(data) and len(text) <= LONGEST_MENDED and MOJIBAKE.search(text):
        text = _told(text, _mend(text), "mojibake", told)
    if hidden:
        text = LINE_BREAK.sub("\n", text)
        text = _told(text, _without_hidden(text), "invisible", told)
    if len(data.translate(None, BYTES_BELOW_MARKS)) > MARKS and FLOOD.search(text):
        text = _told(text, FLOOD.sub(_fewer_marks, text), "unicode", told)
    if not unicodedata.is_normalized("NFC", text):
        text = _told(text, unicodedata.normalize("NFC", text), "unicode", told)
    return text


def _told(before: str, after: str, name: str, told: set[str]) -> str:
    if before != after:
        told.add(name)
    return after


def _without_hidden(text: str) -> str:
    text = INVISIBLE.sub("", CONTROL.sub("", text))
    return LOOSE_JOINER.sub("", text) if "\u200c" in text or "\u200d" in text else text


def _mend(text: str) -> str:
    """Repair what was decoded with the wrong encoding, piece by piece: a sound one cannot prevent it for the others."""
    from ftfy import fix_encoding

    return "".join(
        [fix_encoding(piece) if MOJIBAKE.search(piece) else piece for piece in PIECE.findall(text)]
    )


def _fewer_marks(flood: re.Match[str]) -> str:
    """Drop all but the first combining marks on a character; composing 100,000 of them would take minutes."""
    kept: list[str] = []
    run = 0
    for char in flood[0]:
        run = run + 1 if unicodedata.category(char)[0] == "M" else 0
        if run <= MARKS:
            kept.append(char)
    return "".join(kept)
