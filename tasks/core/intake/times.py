"""Times: what logs write as a time becomes one moment in UTC, or is not a time.

Understood: ISO 8601 and its usual loose forms (a space for the T, a space before the offset, slashes between the
parts of the date), seconds, milliseconds, micro- or nanoseconds since 1970 as number or digits, RFC 2822, and
`Tue Oct 31 22:10:47 +0000 2017`. Not understood, since it could be either: 03/04/2025.
"""

import math
import re
from datetime import UTC, datetime
from typing import Any

from tasks.core.intake.values import LONGEST, Unfit

LONGEST_TIME = 64  # characters
_LOOSE = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?))? ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"-?\d{1,19}(?:\.\d{1,9})?", re.ASCII)
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)
_ZERO = frozenset(
    ("", "Z", " Z", " UTC", " +0000", "+0000", " +00:00", "+00:00")
)  # already in UTC, or taken so
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def parse_time(value: str | float) -> datetime | None:
    """Give the moment in UTC, or None for what is not a time; a time without an offset is taken as UTC."""
    try:
        if not isinstance(value, str):
            return _from_epoch(value)
        text = value.strip()
        if not text or len(text) > LONGEST_TIME:
            return None
        return _in_utc(_from_text(text))
    except (ValueError, OverflowError, TypeError, IndexError, OSError):
        return None


def iso_time(value: Any, name: str = "created") -> str:
    """Give a time as ISO 8601 text in UTC, and text that is no time as it was; nothing is the empty text.

    Texts of one precision sort like the moments. Raises `Unfit` for what is neither text nor number.
    """
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Unfit("wrong_type", f"{name} is a {type(value).__name__} where a time is expected")
    if isinstance(value, str) and value[19:] in _ZERO and _is_to_the_second(value[:19]):
        return f"{value[:10]}T{value[11:19]}+00:00"
    moment = parse_time(value)
    if moment is not None:
        return moment.isoformat()
    try:
        kept = str(value)
    except ValueError:
        kept = ""
    if len(kept) > LONGEST:
        raise Unfit("too_long", f"{name} has more than {LONGEST} characters")
    return kept


def _is_to_the_second(text: str) -> bool:
    if text[7:8] != "-" or text[10:11] not in {"T", " "} or text[16:17] != ":":
        return False
    try:
        return datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def _from_text(text: str) -> datetime:
    if text[-1].isdigit() and _NUMBER.fullmatch(text):
        return _from_digits(text)
    try:
        spaced = text[19:21] in {" +", " -"}
        return datetime.fromisoformat(text[:19] + text[20:] if spaced else text)
    except ValueError:
        return _from_loose_text(text)


def _from_loose_text(text: str) -> datetime:
    found = _LOOSE.fullmatch(text)
    if found:
        year, month, day, clock, offset = found.groups()
        if offset is None or offset.upper() in {"Z", "UTC", "GMT"}:
            offset = "+00:00"
        return datetime.fromisoformat(f"{year}-{month}-{day}T{clock or '00:00'}{offset}")
    if not _MONTH.search(text):
        raise ValueError("not a time")
    return _from_words(text)


def _from_words(text: str) -> datetime:
    from email.utils import parsedate_to_datetime

    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %z %Y")
    except ValueError:
        return parsedate_to_datetime(text)


def _from_digits(text: str) -> datetime:
    form = _COMPACT.get(len(text))
    if form and text.isdigit():
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            pass
    return _from_epoch(float(text) if "." in text else int(text))


def _from_epoch(number: float) -> datetime:
    if not math.isfinite(number):
        raise ValueError("not a time")
    while abs(number) >= 1e11:  # the year 5138 in seconds: what is larger counts a smaller unit
        number /= 1000
    return datetime.fromtimestamp(number, UTC)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
