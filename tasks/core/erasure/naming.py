"""Naming: whether a text that cannot be read as a record names somebody."""

import re


def names(text: str, name: str) -> bool:
    """Say whether a text holds a name as words of its own."""
    return name in text and bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))
