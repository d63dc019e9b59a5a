"""Duplicates: conversations whose cleaned question and reply are equal."""

from collections.abc import Sequence
from hashlib import blake2b


def fingerprint(question: str, reply: str) -> str:
    """Hash a conversation without regard to case and white space, 32 hexadecimal characters."""
    parts = (" ".join(text.casefold().split()) for text in (question, reply))
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def find_repeats(prints: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Give, for every id whose fingerprint was seen before, the id of the first that had it."""
    first: dict[str, str] = {}
    return {name: first[text] for name, text in prints if first.setdefault(text, name) != name}
