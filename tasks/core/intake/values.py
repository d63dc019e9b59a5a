"""Values: one value of a record becomes text, a number or a truth, or says why it cannot."""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

LONGEST = 2**20  # characters of one text
TRUE = ("true", "t", "yes", "y", "1", "on")
FALSE = ("false", "f", "no", "n", "0", "off")


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record, or a conversation, gives no row; the reason holds no text of it."""

    rule: str
    reason: str


class Unfit(Exception):  # noqa: N818 - a verdict on one record
    """Carry a rejection up to where it is given back."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule)
        self.rejection = Rejection(rule, reason)


def text_of(value: Any, name: str) -> str:
    """Give text as it is and nothing as the empty text. Raises `Unfit` for anything else, and for too much."""
    if isinstance(value, str):
        if len(value) > LONGEST:
            raise Unfit("too_long", f"{name} has more than {LONGEST} characters")
        return value
    if value is None:
        return ""
    raise Unfit("wrong_type", f"{name} is a {type(value).__name__} where text is expected")


def label_of(value: Any, name: str) -> str:
    """Give an id, name or code as text; a number becomes its digits, also one that a table stored as a float."""
    if value is None or isinstance(value, str):
        return text_of(value, name) if value else ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unfit("wrong_type", f"{name} is a {type(value).__name__} where text is expected")
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    try:
        return str(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        raise Unfit("too_long", f"{name} is a number of thousands of digits") from None


def list_of(value: Any, name: str) -> list[Any]:
    """Give a list, also one that a table holds as JSON text; nothing is an empty list. Raises `Unfit`."""
    if isinstance(value, list):
        return value
    text = text_of(value, name) if isinstance(value, str) or value is None else None
    if text is None:
        raise Unfit("wrong_type", f"{name} is a {type(value).__name__} where a list is expected")
    if not text or text.isspace():
        return []
    try:
        parsed = json.loads(text)
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeError:
        raise Unfit("not_utf8", f"{name} holds half a character") from None
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, list):
        raise Unfit("wrong_type", f"{name} is text where a list is expected")
    return parsed


def number_of(value: Any) -> float | None:
    """Give a finite number, also one written as text; anything else is not known."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and len(value) > 32:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def truth_of(value: Any, true: Collection[str] = (), false: Collection[str] = ()) -> bool | None:
    """Give the truth of a flag, of a number (above 0) or of a word, in `TRUE` or `true`, `FALSE` or `false`.

    Anything else is not known.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value[:32].strip().casefold()
        if word in TRUE or word in true:
            return True
        if word in FALSE or word in false:
            return False
    number = number_of(value)
    return None if number is None else number > 0
