"""Signatures: what a mail program puts under a message is cut: the block below `--`, and `Sent from my phone`."""

import re

MOST_LINES = 8  # of a signature; more is text between rules
MOST_CHARS = 500
LONGEST_LINE = 100
THINGS = (
    r"i-?(?:phone|pad|pod|mac)|ios|mac(?:book)?|apple|android|samsung|galaxy|huawei|xiaomi|pixel|nokia|black ?berry|windows|"
    r"smart ?phone|mobil\w*|handy|móvil|portable|téléphone|telefono|telefoon|tel[eé]fono|tablet\w*|outlook|gmail|yahoo|aol|"
    r"proton ?mail|thunderbird|mail\.ru|web\.de|gmx|k-9|bluemail|mailbird|em client|htc|sony|motorola|verizon|t-mobile"
)
WORDS = (
    r"sent (?:from|via|with|using)|get outlook for|von mein\w*|gesendet (?:von|mit|aus)|diese nachricht wurde von|"
    r"envoyé (?:de|depuis|avec|à partir)|télécharger outlook|enviado (?:desde|do|de|con|via)|obtener outlook|"
    r"inviato (?:da|dal|con)|scarica outlook|verstuurd (?:vanaf|met)|verzonden (?:vanaf|met|via)|outlook voor"
)
SENT_FROM = re.compile(rf"(?:{WORDS})\b[^\n!?]{{0,60}}?\b(?:{THINGS})\b[^\n!?]*", re.IGNORECASE)


def cut_signature(text: str) -> str:
    """Cut the signature below a message; a text is never cut to nothing."""
    end = len(text)
    while True:
        shorter = _before_last_line(text, _before_block(text, end))
        if shorter in (0, end):
            return text[:end]
        end = shorter


def _before_block(text: str, end: int) -> int:
    """Give the end without what is below the last line that is only `--`.

    Source: RFC 3676, section 4.3; its blank went with the other white space.
    """
    if text.endswith("\n--", 0, end):
        return _before_blanks(text, end - 3)
    start = text.rfind("\n--\n", max(0, end - MOST_CHARS), end)
    whole = start >= 0 and text.count("\n", start, end) <= MOST_LINES + 1
    return _before_blanks(text, start) if whole else end


def _before_last_line(text: str, end: int) -> int:
    start = text.rfind("\n", max(0, end - LONGEST_LINE), end) + 1
    alone = start > 0 or end <= LONGEST_LINE
    return _before_blanks(text, start) if alone and SENT_FROM.fullmatch(text, start, end) else end


def _before_blanks(text: str, end: int) -> int:
    while end and text[end - 1].isspace():
        end -= 1
    return end
