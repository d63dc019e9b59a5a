"""Invented values for the labelled rows: names, passwords, keys, and numbers whose check digits are right."""

import base64
import random
import string
from collections.abc import Callable

FIRST = (
    "quirin",
    "alwara",
    "tjorven",
    "minea",
    "fenno",
    "oda",
    "runa",
    "leif",
    "svea",
    "benno",
    "ilka",
    "joris",
)
LAST = ("hollerbusch", "tannhaus", "sonnleitner", "quellmann", "eichholz", "marchais", "robledal", "birkenau")
USERS = (
    "quill",
    "fernwood",
    "wolkenhirte",
    "nachtzug",
    "pixelmoos",
    "tinkerfox",
    "regenpfeifer",
    "copperkettle",
)
WORDS = ("tulpe", "lantern", "girasol", "nuage", "harbour", "kiesel", "saffron", "meadow")
LETTERS, CAPITALS = string.ascii_letters, string.ascii_uppercase
ACCOUNTS = {
    "AT": "d16", "BE": "d12", "CH": "d17", "CY": "d24", "CZ": "d20", "DE": "d18", "DK": "d14", "EE": "d16", "ES": "d20",
    "FI": "d14", "FR": "d20A1d2", "GB": "A4d14", "GR": "d23", "HU": "d24", "IE": "A4d14", "IT": "A1d22", "LI": "d17",
    "LU": "d16", "MC": "d20A1d2", "MT": "A4d5A2d16", "NL": "A4d10", "NO": "d11", "PL": "d24", "PT": "d21", "SE": "d20",
}  # fmt: skip


def draw_value(slot: str, draw: random.Random) -> str:
    """Give a value for a slot such as `first`, `d4` (four digits), `b62 40`, `iban DE blanks` or `luhn 4 16`."""
    name, *details = slot.split(" ")
    if slot in WRITTEN:
        return WRITTEN[slot](draw)
    if name in ALPHABETS:
        return _mixed(ALPHABETS[name], int(details[0]), draw)
    if name == "iban":
        return _iban(*details, draw=draw)
    if name == "luhn":
        return _card(*details, draw=draw)
    if name == "b64":
        return base64.b64encode(draw.randbytes(int(details[0]))).decode()
    if name.startswith("hex"):
        return _mixed("0123456789abcdef", int(name[3:]), draw)
    return "".join(draw.choices(string.digits, k=int(name[1:])))


def _mixed(alphabet: str, length: int, draw: random.Random) -> str:
    """Draw until there is one of each class that the alphabet has: a key without digits is too rare to judge by."""
    classes = [
        group for group in (string.digits, string.ascii_lowercase, CAPITALS) if set(group) & set(alphabet)
    ]
    while True:
        value = "".join(draw.choices(alphabet, k=length))
        if all(set(group) & set(value) for group in classes):
            return value


def _password(draw: random.Random) -> str:
    word, number = draw.choice(WORDS), draw.randint(10, 9999)
    return draw.choice(
        (
            f"{word.title()}-{number}!",
            f"{word}{number}",
            f"{number}_{word.upper()}",
            f"{word[:4]}.{number}.{word[4:]}X",
        )
    )


def _iban(country: str, style: str = "plain", *, draw: random.Random) -> str:
    """Compose an account of the country's length with valid check digits (ISO 13616-1)."""
    account, pattern = "", ACCOUNTS[country.upper()]
    for part in pattern.replace("A", " A").replace("d", " d").split():
        alphabet = CAPITALS if part[0] == "A" else string.digits
        account += "".join(draw.choices(alphabet, k=int(part[1:])))
    number = "".join(str(int(char, 36)) for char in f"{account}{country.upper()}00")
    return _written(f"{country.upper()}{98 - int(number) % 97:02}{account}", style)


def _card(prefix: str, length: str, style: str = "plain", *, draw: random.Random) -> str:
    """Compose a card number with a valid last digit (ISO/IEC 7812-1)."""
    body = prefix + "".join(draw.choices(string.digits, k=int(length) - 1 - len(prefix)))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body))]
    return _written(f"{body}{-sum(sum(divmod(digit, 10)) for digit in doubled) % 10}", style)


def _written(value: str, style: str) -> str:
    groups = [value[start : start + 4] for start in range(0, len(value), 4)]
    styles = {"blanks": " ", "dashes": "-", "nbsp": "\xa0"}
    if style in styles:
        return styles[style].join(groups)
    if style == "odd":
        return f"{value[:4]} {value[4:12]} {value[12:]}"
    return value.lower() if style == "lower" else value


def _token(draw: random.Random) -> str:
    """Compose a JSON Web Token that says nothing."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(b'{"sub":"%d"}' % draw.randint(1000, 9999)).decode().rstrip("=")
    return f"{head}.{body}.{_mixed(LETTERS + string.digits, 43, draw)}"


ALPHABETS = {
    "b62": LETTERS + string.digits,
    "b36": string.ascii_lowercase + string.digits,
    "A0": CAPITALS + string.digits,
}
WRITTEN: dict[str, Callable[[random.Random], str]] = {
    "first": lambda draw: draw.choice(FIRST),
    "First": lambda draw: draw.choice(FIRST).title(),
    "FIRST": lambda draw: draw.choice(FIRST).upper(),
    "last": lambda draw: draw.choice(LAST),
    "Last": lambda draw: draw.choice(LAST).title(),
    "LAST": lambda draw: draw.choice(LAST).upper(),
    "user": lambda draw: draw.choice(USERS),
    "USER": lambda draw: draw.choice(USERS).upper(),
    "word": lambda draw: draw.choice(WORDS),
    "pw": _password,
    "n254": lambda draw: str(draw.randint(1, 254)),
    "d2": lambda draw: str(draw.randint(10, 99)),
    "nbsp": lambda _: "\xa0",
    "jwt": _token,
}
