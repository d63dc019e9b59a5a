"""Splitting: which rows are held out, decided by requester and salt alone.

No requester is on both sides, and a row never changes sides when other rows come or go.
"""

from collections.abc import Mapping
from hashlib import blake2b


def group_of(row: Mapping[str, str]) -> str:
    """Hash the name of who asked; without one, the conversation, and at last the row itself."""
    for column in ("requester", "conversation", "row_id"):
        name = row.get(column, "").strip().casefold()
        if name:
            return blake2b(f"{column}/{name}".encode(), digest_size=8).hexdigest()
    raise AssertionError("a row has no id")


def is_held_out(group: str, fraction: float, salt: str) -> bool:
    """Say whether the rows of a group are held out; over many groups, `fraction` of them are."""
    number = int.from_bytes(blake2b(f"{salt}/{group}".encode(), digest_size=8).digest())
    return number / 2**64 < fraction
