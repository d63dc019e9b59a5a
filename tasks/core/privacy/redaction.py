"""Redaction: personal data and secrets become placeholders, so that a model cannot learn them.

Every kind has its own finders, and each finder a gate: a cheap condition without which it can find nothing. Most texts
open no gate, and cost only that look.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from tasks.core.privacy.finders.bank_numbers import find_cards, find_ibans
from tasks.core.privacy.finders.keys_and_codes import find_codes, find_headers, find_introduced_keys
from tasks.core.privacy.finders.known_keys import find_blocks, find_long_keys, find_vendor_keys
from tasks.core.privacy.finders.mail_addresses import find_emails, find_handles, find_spelled_emails
from tasks.core.privacy.finders.net_addresses import find_ipv4, find_ipv6, find_link_secrets
from tasks.core.privacy.finders.passwords import (
    find_farther_passwords,
    find_pairs,
    find_passwords,
    find_passwords_before,
    find_phrases,
)
from tasks.core.privacy.finders.phone_numbers import find_phones
from tasks.core.privacy.finders.reference_numbers import find_references
from tasks.core.privacy.gates import open_gates
from tasks.core.privacy.known_names import Spelling, find_name, spellings, stands_alone
from tasks.core.privacy.placeholders import PLACEHOLDER, Finding, Numbering, settle
from tasks.core.privacy.view import View, plain_form

Look = Callable[[str], list[Finding]]
# A line that yields more at every look is made to do so; it goes as a whole, and time stays linear.
MOST_LOOKS = 8
# What is told apart well enough to be known again by itself; a short number is too common.
REPEATED = frozenset(("SECRET", "EMAIL", "IBAN", "CARD", "ORDER", "PHONE", "ID"))
LEAST_REPEATED = 5  # characters
MOST_REPEATED = 100  # values of a conversation, so that time stays linear
# The finders that each gate opens.
FINDERS: dict[str, tuple[Callable[[View], Iterable[Finding]], ...]] = {
    "mail": (find_emails,),
    "mail spelled": (find_spelled_emails,),
    "handle": (find_handles,),
    "link": (find_link_secrets,),
    "password": (find_passwords,),
    "password farther": (find_farther_passwords,),
    "pair": (find_pairs,),
    "password after": (find_passwords_before,),
    "key": (find_introduced_keys,),
    "code": (find_codes,),
    "phrase": (find_phrases,),
    "header": (find_headers,),
    "block": (find_blocks,),
    "ipv6": (find_ipv6,),
    "ipv4": (find_ipv4,),
    "reference": (find_references,),
    "vendor's key": (find_vendor_keys,),
    "long key": (find_long_keys,),
    "iban": (find_ibans,),
    "phone": (find_phones,),
    "card": (find_cards,),
}


def redact_conversation(
    texts: Sequence[str], names: Sequence[str] = (), redactor: str = "patterns"
) -> tuple[list[str], dict[str, int]]:
    """Replace personal data by `<KIND_n>`, equal values by the same placeholder in all texts of a conversation.

    A number or code that is known from one place is replaced wherever the conversation repeats it, though nothing
    introduces it there. Gives the texts and how many of each kind were replaced. `names` are those that the log's columns know; `redactor`
    is `patterns`, or `presidio` for Presidio's findings as well. Redacting the result again changes nothing.

    Raises:
        SettingsError: Presidio is asked for and not installed.
    """
    look = partial(_find, known=spellings(names), redactor=redactor)
    first = [look(text) for text in texts]
    if not any(first):
        return list(texts), {}
    first = _with_repeats(texts, first)
    numbering, counts = Numbering(texts), Counter[str]()
    redacted = [_redact(*both, look, numbering, counts) for both in zip(texts, first, strict=True)]
    return redacted, dict(counts)


def _with_repeats(texts: Sequence[str], found: Sequence[list[Finding]]) -> list[list[Finding]]:
    """Add the places where a conversation repeats what was found in it, as a word of its own."""
    written = {
        text[one.start : one.end]: one
        for text, findings in zip(texts, found, strict=True)
        for one in findings
        if one.kind in REPEATED and one.end - one.start >= LEAST_REPEATED
    }
    # a password that is a word, `welcome`, is also just that word elsewhere
    known = [(value, one) for value, one in written.items() if not value.isalpha()][:MOST_REPEATED]
    spread = []
    for text, findings in zip(texts, found, strict=True):
        repeats = [
            Finding(place, place + len(value), one.kind, one.value)
            for value, one in known
            for place in _places(text, value)
        ]
        spread.append(settle([*findings, *repeats], text) if repeats else findings)
    return spread


def _places(text: str, written: str) -> Iterator[int]:
    place = text.find(written)
    while place >= 0:
        if stands_alone(text, place, place + len(written)):
            yield place
        place = text.find(written, place + 1)


def _redact(
    text: str, findings: list[Finding], look: Look, numbering: Numbering, counts: Counter[str], looks: int = 1
) -> str:
    """Replace the findings, and look again until there are none; what a replacement brings to light is in its line.

    No finder looks beyond the line, except for armoured blocks, of which the first look leaves none.
    """
    if not findings:
        return text
    if looks > MOST_LOOKS:
        findings = [Finding(0, len(text), "SECRET", text)]
    counts.update(finding.kind for finding in findings)
    lines = numbering.replace(text, findings).split("\n")
    changed = [number for number, line in enumerate(lines) if "<" in line and PLACEHOLDER.search(line)]
    for number in changed:
        lines[number] = _redact(lines[number], look(lines[number]), look, numbering, counts, looks + 1)
    return "\n".join(lines)


def redact(text: str) -> tuple[str, dict[str, int]]:
    """Replace personal data and secrets in one text; give it and how many of each kind there were."""
    (redacted,), counts = redact_conversation([text])
    return redacted, counts


def personal_data_left(text: str, redactor: str = "patterns") -> bool:
    """Say whether redaction would still change a text."""
    return bool(_find(text, (), redactor))


def find_personal_data(text: str, names: Sequence[str] = ()) -> list[Finding]:
    """Find what one pass replaces, in order and without overlaps; what it brings to light is for the next pass."""
    return _find(text, spellings(names), "patterns")


def _find(text: str, known: Sequence[Spelling], redactor: str) -> list[Finding]:
    plain = plain_form(text)
    gates, lowered = open_gates(plain), plain.lower()
    findings = [finding for gate in gates for find in FINDERS[gate] for finding in find(View(plain, lowered))]
    for spelling in known:
        if spelling.lowered in lowered:
            findings += find_name(plain, lowered, spelling)
    if redactor == "presidio":
        from tasks.core.privacy.presidio_finding import find_with_presidio

        findings += find_with_presidio(text)
    return settle(findings, text) if findings else findings
