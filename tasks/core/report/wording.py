"""Wording: numbers, names and settings the way people say them."""

from collections.abc import Mapping
from typing import Any

CRAFTS = {
    "whitespace": "whitespace tidied",
    "entities": "HTML entities decoded",
    "html": "HTML turned into text",
    "markup": "light markup turned into text",
    "mojibake": "wrong encodings mended",
    "unicode": "Unicode composed",
    "invisible": "hidden characters removed",
    "marker": "prompt markers broken up",
    "prompt_style": "prompt styles made one",
    "quoted_mail": "quoted mail cut",
    "signature": "signatures cut",
    "greeting": "greetings cut",
}
KINDS = {
    "NAME": "names",
    "EMAIL": "e-mail addresses",
    "PHONE": "phone numbers",
    "HANDLE": "account names",
    "CARD": "card numbers",
    "IBAN": "IBANs",
    "IP": "IP addresses",
    "MAC": "MAC addresses",
    "SECRET": "passwords and keys",
    "ORDER": "order and customer numbers",
    "URL": "web addresses",
}
SEVERITIES = ("critical", "warning", "info")
BREACHES = {"critical": "stops the run", "warning": "sends rows to quarantine", "info": "only reports"}
BREACHES_STOP = {**BREACHES, "warning": "stops the run"}


def spoken(name: str) -> str:
    """Say the name of a step, a suite or a rule the way people do."""
    return name.replace("_", " ")


def craft_of(name: str) -> str:
    """Say what a craft of the cleaning did."""
    return CRAFTS.get(name, spoken(name))


def kind_of(name: str) -> str:
    """Say a kind of personal data, as its placeholders name it."""
    return KINDS.get(name, spoken(name).lower())


def counted(number: int, what: str) -> str:
    """Give a number of things: `1 row`, `1,200 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def start_words(version: int, counts: Mapping[str, int]) -> str:
    """Say which version a training goes on from, and on what: rows that are `new` to it, `replayed` ones, and who is `left_out`."""
    return (
        f"from version {version}: {counted(counts['new'], 'row')} new to it and {counts['replayed']:,} replayed; "
        f"{counts['left_out']:,} left out, which it has learned already"
    )


def percent(share: float, digits: int = 1) -> str:
    """Give a share as `91.7 %`; what is all or nothing has no digits behind the point."""
    return f"{100 * share:.{0 if share in (0, 1) else digits}f} %"


def size(count: int) -> str:
    """Give a number of bytes as `3.1 GiB`, or below one of them as `512 MiB`."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


def held_in(quantization: str) -> str:
    """Say how a base is held: `unquantized`, or `in nf4`."""
    return "unquantized" if quantization == "none" else f"in {quantization}"


def clock(seconds: float) -> str:
    """Give a duration the way a clock would: `4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def value_of(value: Any) -> str:
    """Word any plain value for a reader."""
    if value is None or value in ("", [], (), {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_of(part)}" for name, part in value.items())
    return ", ".join(value_of(part) for part in value) if isinstance(value, list | tuple) else str(value)
