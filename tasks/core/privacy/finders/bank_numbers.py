"""Card numbers and IBANs: what passes its check digits, wherever blanks and hyphens stand."""

import re
from collections.abc import Iterator

from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.view import View, line_before

# Runs of digits in groups, however long: a date or a code may stand beside the number. It never backtracks.
RUN = re.compile(r"[0-9](?:[0-9]|(?: {1,2}|-)(?=[0-9])){12,}+")
GROUP = re.compile(r"(?<![A-Za-z0-9.])[0-9]++(?![A-Za-z0-9])")
MOST_GROUPS = 8
# Prefixes and lengths of the schemes (ISO/IEC 7812): Visa, Mastercard, Amex, Diners, Discover, JCB, UnionPay, Maestro.
SCHEMES = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|65\d\d|64[4-9]\d)\d{12,15}|35(?:2[89]|[3-8]\d)\d{12,15}"
    r"|62\d{14,17}|(?:50|5[6-9]|6[0-9])\d{11,17}"
)
OTHER_NUMBER = re.compile(
    r"(?:\b(?:ean|gtin|isbn|issn|upc|imei|imsi|iccid|serial|s/n|serien|barcode|article|artikel|part)[\w.-]{0,12}"
    r"(?: (?:no|nr|number|code))?\W{0,3}|[.,])$",
    re.IGNORECASE,
)
# The check digits, with the country before them: digits are rarer than letters.
CHECKS = re.compile(r"[0-9]{2}(?<=[A-Za-z]{2}..)(?<![A-Za-z0-9]....)(?=[ -]?[A-Za-z0-9])")
# Lengths by country (SWIFT's IBAN registry).
LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ DZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def find_cards(view: View) -> Iterator[Finding]:
    """Find the groups of digits that together are a card number, also beside an expiry date or a check code."""
    for run in RUN.finditer(view.text):
        if not OTHER_NUMBER.search(line_before(view.text, run.start(), 40)):
            yield from _cards_among(
                [(group.start(), group[0]) for group in GROUP.finditer(view.text, *run.span())]
            )


def _cards_among(groups: list[tuple[int, str]]) -> Iterator[Finding]:
    first = 0
    while first < len(groups):
        number = ""
        for last in range(first, min(first + MOST_GROUPS, len(groups))):
            number += groups[last][1]
            if 13 <= len(number) <= 19 and _is_grouped(groups[first : last + 1]) and is_card(number):
                yield Finding(groups[first][0], groups[last][0] + len(groups[last][1]), "CARD", number)
                first = last
                break
        first += 1


def _is_grouped(groups: list[tuple[int, str]]) -> bool:
    """Say whether the groups are those that cards are written in: one, equal ones and a rest, or 4-6-4 and 4-6-5."""
    lengths = [len(group) for _, group in groups]
    return max(lengths) == lengths[0] == min([*lengths[:-1], lengths[0]]) or lengths in ([4, 6, 4], [4, 6, 5])


def is_card(number: str) -> bool:
    """Check the scheme, and Luhn's sum (ISO/IEC 7812-1, annex B)."""
    if SCHEMES.fullmatch(number) is None:
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(sum(divmod(digit, 10)) for digit in doubled) % 10 == 0


def find_ibans(view: View) -> Iterator[Finding]:
    """Find account numbers of the country's length whose remainder of 97 is 1 (ISO 13616-1)."""
    for checks in CHECKS.finditer(view.text):
        start = checks.start() - 2
        length = LENGTHS.get(view.text[start : start + 2].upper(), 0)
        value, end = _characters(view.text, start, length)
        if is_iban(value):
            yield Finding(start, end, "IBAN", value)


def _characters(text: str, start: int, length: int) -> tuple[str, int]:
    """Read as many letters and digits, with at most one blank or hyphen between two; give them and where they end."""
    characters, place = "", start
    while place < len(text) and len(characters) < length:
        if text[place].isascii() and text[place].isalnum():
            characters += text[place]
        elif text[place] not in " -" or text[place - 1] in " -":
            break
        place += 1
    return characters.upper(), place


def is_iban(value: str) -> bool:
    """Check length, digits and the remainder of 97 (ISO 13616-1)."""
    if len(value) != LENGTHS.get(value[:2]) or not re.search("[0-9]{3}", value):
        return False
    return int("".join(str(int(char, 36)) for char in value[4:] + value[:4])) % 97 == 1
