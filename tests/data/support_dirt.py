"""The kinds of dirt in the sample logs: how many rows of each, what becomes of them, and how a row is spoiled.

Every number that looks like personal data is invented: card numbers are the industry's test numbers, IBANs belong to no
bank, addresses are of the documentation's own domains and networks.
"""

import json
import random
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
Spoil = Callable[[Row, random.Random], str]

EMAILS = ("mira.sand@example.org", "post@example.com", "hallo.welt+test@mail.example.net")
PHONES = ("+49 30 5550 1234", "0151 / 555 01234", "(555) 010-0199", "+1 555 010 0123")
CARDS = ("4111 1111 1111 1111", "5500-0055-5555-5559", "4012888888881881")
IBANS = ("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606")
ADDRESSES = ("192.0.2.17", "198.51.100.230", "2001:db8:0:1::1f")
SECRETS = (
    "password: Tulpe-2026!",
    "Passwort: blau3Haus",
    "api_key=sk-test0123456789abcdefXYZ",
    "token: 9f8e7d6c5b4a",
)
MARKERS = ("### Response:", "<s>", "</s>", "<|im_start|>system", "[INST]", "### Instruction:")
MEMBERS = (EMAILS, PHONES, CARDS, IBANS, ADDRESSES, SECRETS)


def _line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False)


def _with(column: str, change: Callable[[str, random.Random], object]) -> Spoil:
    return lambda row, draw: _line({**row, column: change(str(row[column]), draw)})


def _append(choices: tuple[str, ...], column: str = "body") -> Spoil:
    return _with(column, lambda text, draw: f"{text} {draw.choice(choices)}")


def _html(text: str, draw: random.Random) -> str:
    first, _, rest = text.partition(". ")
    return f'<p>{first}.</p><div class="q{draw.randint(1, 9)}"><b>{rest}</b><br/>&nbsp;</div><script>var a=1;</script>'


def _escaped(text: str, _draw: random.Random) -> str:
    return (
        text.replace("Open", "&lt;b&gt;Open&lt;/b&gt;")
        .replace(" and ", " &amp; ")
        .replace(" und ", " &amp; ")
        + " &#8364;&nbsp;"
    )


def _mojibake(text: str, _draw: random.Random) -> str:
    return f"{text} Grüße – für später".encode().decode("cp1252", "ignore")


def _blanks(text: str, _draw: random.Random) -> str:
    return text.replace(". ", ".\r\n\r\n\r\n  \t ").replace(" ", "  ", 3)


def _hidden(text: str, _draw: random.Random) -> str:
    return text.replace("e", "e\u200b", 3) + "\u202e\x07\x00"


def _quoted(text: str, _draw: random.Random) -> str:
    return f"{text}\n\nOn Monday, support wrote:\n> Dear customer,\n> please send us more details."


def _array(row: Row, _draw: random.Random) -> str:
    return json.dumps([row["conversation_id"], row["body"]], ensure_ascii=False)


def _cut(row: Row, draw: random.Random) -> str:
    line = _line(row)
    return line[: draw.randint(len(line) // 3, len(line) - 5)]


def _without(column: str) -> Spoil:
    return lambda row, _draw: _line({name: value for name, value in row.items() if name != column})


def _repeat_key(row: Row, _draw: random.Random) -> str:
    return _line(row)[:-1] + ', "reply": "another reply to the same question"}'


def _again(row: Row, draw: random.Random) -> str:
    return _line({**row, "conversation_id": f"{row['conversation_id']}-{draw.randint(2, 9)}"})


def _shouted(row: Row, _draw: random.Random) -> str:
    """Repeat a conversation with other blanks and capitals: after cleaning it is the same."""
    return _line(
        {**row, "conversation_id": f"{row['conversation_id']}-b", "body": f"  {row['body'].upper()} "}
    )


KINDS: dict[str, tuple[int, str, Spoil]] = {
    "html markup": (40, "cleaned", _with("body", _html)),
    "escaped entities": (15, "cleaned", _with("reply", _escaped)),
    "wrong encoding": (12, "cleaned", _with("body", _mojibake)),
    "blanks and line breaks": (15, "cleaned", _with("body", _blanks)),
    "hidden and control characters": (10, "cleaned", _with("body", _hidden)),
    "e-mail address": (30, "cleaned", _append(EMAILS)),
    "phone number": (14, "cleaned", _append(PHONES)),
    "card number": (8, "cleaned", _append(CARDS)),
    "iban": (8, "cleaned", _append(IBANS)),
    "ip address": (8, "cleaned", _append(ADDRESSES)),
    "secret": (10, "cleaned", _append(SECRETS)),
    "prompt marker": (12, "cleaned", _append(MARKERS)),
    "quoted mail": (10, "cleaned", _with("body", _quoted)),
    "unknown language code": (8, "cleaned", _with("language", lambda _text, _draw: "xx")),
    "time that is no time": (8, "cleaned", _with("created", lambda text, _draw: f"{text[:10]} 25:61")),
    "empty reply": (12, "quarantined", _with("reply", lambda _text, _draw: "  ")),
    "null reply": (8, "quarantined", _with("reply", lambda _text, _draw: None)),
    "missing column": (8, "quarantined", _without("reply")),
    "number in place of text": (6, "quarantined", _with("body", lambda _text, draw: draw.randint(1, 9))),
    "cut off line": (8, "quarantined", _cut),
    "array in place of an object": (6, "quarantined", _array),
    "repeated key": (5, "quarantined", _repeat_key),
    "too short reply": (
        12,
        "filtered",
        _with("reply", lambda _text, draw: draw.choice(("ok", "Done.", "siehe oben"))),
    ),
    "exact duplicate": (45, "duplicates", _again),
    "duplicate in capitals": (10, "duplicates", _shouted),
}
