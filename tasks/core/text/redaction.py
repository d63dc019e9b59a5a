"""Redaction: personal data and secrets become placeholders, so that a model cannot learn them.

What counts is recall on the structured kinds; every pattern is checked (Luhn, IBAN) where a check exists, so that order
numbers and versions stay readable.
"""

import re
from collections import Counter
from collections.abc import Callable

EMAIL = re.compile(
    r"(?:mailto:)?[\w.+%-]+\s?(?:@|\(at\)|\[at\])\s?(?:[\w-]+(?:\.|\s?\(dot\)\s?|\s?\[dot\]\s?))+[a-z]{2,24}\b",
    re.IGNORECASE,
)
URL_SECRETS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]{1,20}://)(?P<user>[^\s/@<>]+@)?(?P<rest>[^\s?#<>]*)(?P<query>[?#][^\s<>]*)?",
    re.IGNORECASE,
)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b")
CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
PHONE = re.compile(
    r"(?<![\w.,:/-])(?:\+|00)[1-9](?:[ ()/.-]{0,2}\d){6,14}(?![\w-])|(?<![\w.,:/+-])\(?0\d{1,4}\)?[ /-]{1,3}(?:[ /-]?\d){5,10}(?![\w.-])|(?<![\w.,:/+-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"
)
DATE = re.compile(r"\(?\d{1,2}\)?[ ./-]\d{1,2}[ ./-](?:19|20)\d{2}(?!\d)")
IPV4 = re.compile(
    r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.-]|\.\d)"
)
IPV6 = re.compile(
    r"(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}(?![\w:])",
    re.IGNORECASE,
)
WORD_SECRET = re.compile(
    r"\b(?P<name>pass(?:word|wort|phrase|code)?|passwd|pwd|kennwort|api[ _-]?key|secret|access[ _-]?token|auth[ _-]?token|token|pin|tan|cvv)"
    r"(?P<is>\s*(?:[:=]|\bis\b:?|\bist\b:?|\blautet\b:?)\s*)(?P<value>[\"'`]?[^\s\"'`<>]{4,})",
    re.IGNORECASE,
)
TOKEN = re.compile(
    r"\b(?:(?:sk|pk|rk|ghp|gho|ghs|xox[abps]|glpat)[-_][A-Za-z0-9_-]{12,}|AKIA[A-Z0-9]{12,})\b|\b(?:bearer|basic)\s+[A-Za-z0-9+/=._-]{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{32,}\b"
)
DIGITS = re.compile(r"\d")


def redact(text: str) -> tuple[str, dict[str, int]]:
    """Replace personal data and secrets by `[KIND]`; give the text and how many of each kind there were."""
    found: Counter[str] = Counter()
    if "://" in text:
        text = URL_SECRETS.sub(lambda match: _bare_url(match, found), text)
    if "@" in text or "(at)" in text.lower() or "[at]" in text.lower():
        text = _replace(EMAIL, "EMAIL", text, found)
    text = _replace(TOKEN, "SECRET", text, found)
    text = WORD_SECRET.sub(lambda match: _secret(match, found), text)
    if DIGITS.search(text):
        text = _replace(IBAN, "IBAN", text, found, _is_iban)
        text = _replace(CARD, "CARD", text, found, _is_card)
        text = _replace(IPV4, "IP", text, found)
        text = _replace(PHONE, "PHONE", text, found, lambda value: DATE.match(value) is None)
    if ":" in text:
        text = _replace(IPV6, "IP", text, found, lambda value: sum(map(len, value.split(":"))) >= 3)
    return text, dict(found)


def has_email(text: str) -> bool:
    """Say whether a text still holds an e-mail address."""
    return EMAIL.search(text) is not None


def _replace(
    pattern: re.Pattern[str],
    kind: str,
    text: str,
    found: Counter[str],
    holds: Callable[[str], bool] | None = None,
) -> str:
    def put(match: re.Match[str]) -> str:
        if holds and not holds(match[0]):
            return match[0]
        found[kind] += 1
        return f"[{kind}]"

    return pattern.sub(put, text)


def _bare_url(match: re.Match[str], found: Counter[str]) -> str:
    """Keep where a link leads; its user and its query may name a person."""
    if match["user"] or match["query"]:
        found["URL"] += 1
    return f"{match['scheme']}{match['rest']}"


def _secret(match: re.Match[str], found: Counter[str]) -> str:
    """Redact what follows `password:`; after a mere `is`, only what looks like a secret and not like a word."""
    value = match["value"]
    if not re.search(r"[:=]", match["is"]) and not re.search(r"\d|[^\w.,!?]", value):
        return match[0]
    if value.startswith("["):
        return match[0]
    found["SECRET"] += 1
    return f"{match['name']}{match['is']}[SECRET]"


def _is_card(value: str) -> bool:
    """Check by Luhn's sum (ISO/IEC 7812-1, annex B)."""
    digits = [int(char) for char in value if char.isdigit()]
    doubled = [
        digit if index % 2 == 0 else sum(divmod(digit * 2, 10))
        for index, digit in enumerate(reversed(digits))
    ]
    return sum(doubled) % 10 == 0 and len(set(digits)) > 1


def _is_iban(value: str) -> bool:
    """Check by the remainder of 97 (ISO 13616-1)."""
    plain = re.sub(r"[ -]", "", value)
    number = "".join(str(int(char, 36)) for char in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(number) % 97 == 1
