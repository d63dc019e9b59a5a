"""Tombstones: who is to be forgotten, told by salted hashes in a private file that only grows; intake asks it.

A hash cannot be read, but whoever has the file can try a name that they know: that is what intake does.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tasks.core.errors import DataError
from tasks.core.receipts import Record
from tasks.core.store.digests import digest_value
from tasks.core.store.locks import exclusive
from tasks.core.store.syncing import write_whole

TOMBSTONES = "tombstones.jsonl"
Kind = Literal["requester", "conversation", "record"]
Marked = tuple[Kind, str]


class Tombstone(Record):
    """What is to be forgotten, since when (YYYY-MM-DD), and the versions that were trained on it, as `name/number`.

    A `requester` is told as the log names them. A `conversation` counts where a log has one message a row, since there its
    name holds over all files; a `record` is named by the hash of its bytes, for one that cannot be read.
    """

    kind: Kind
    salt: str
    sha256: str
    since: str
    versions: tuple[str, ...] = ()


class Tombstones(Record):
    """All tombstones of a workspace; in cache keys by what they cover, not by when they were set."""

    stones: tuple[Tombstone, ...] = ()

    def in_key(self) -> Any:
        """Give the digest of all hashes; nothing where nobody is to be forgotten."""
        marks = sorted([stone.salt, stone.sha256] for stone in self.stones)
        return {"Tombstones": digest_value(marks) if marks else ""}

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self.stones)

    def cover(self, kind: Kind, value: str) -> bool:
        """Say whether a value, exactly as it is, is to be forgotten; the empty one never is."""
        return bool(value) and any(mark(salt, kind, value) in self._marks for salt in self._salts)

    def stand_in(self, kind: Kind, value: str) -> str:
        """Give what stands for a value that may be kept nowhere: equal for equal ones."""
        return mark(self._salts[0], kind, value)

    @cached_property
    def _salts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(stone.salt for stone in self.stones))

    @cached_property
    def _marks(self) -> frozenset[str]:
        return frozenset(stone.sha256 for stone in self.stones)


NOBODY = Tombstones()


@lru_cache(2**16)
def mark(salt: str, kind: Kind, value: str) -> str:
    """Hash a value with its kind and a salt, as hexadecimal text."""
    return hashlib.sha256(f"{salt}/{kind}/{value}".encode("utf-8", "surrogatepass")).hexdigest()


def read_tombstones(workspace: Path) -> Tombstones:
    """Read the tombstones of a workspace. Raises `DataError` when they cannot be read: rows would come back unseen."""
    path = workspace / TOMBSTONES
    if not path.exists():
        return NOBODY
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return Tombstones(stones=tuple(Tombstone.model_validate(json.loads(line)) for line in lines))
    except (OSError, ValueError, ValidationError):
        raise DataError(
            f"{path} cannot be read, and it says who is to be forgotten.",
            cure="Bring it back from a copy; nothing is read from logs until then.",
        ) from None


def add_tombstones(workspace: Path, marked: Iterable[Marked], versions: Iterable[str]) -> Tombstones:
    """Set a tombstone for each value that has none or for which more versions are known; on the disk when this returns.

    Lines that are there stay as they are. All use the salt of the first.
    """
    path = workspace / TOMBSTONES
    with exclusive(workspace / "locks" / f"{TOMBSTONES}.lock"):
        before, told = read_tombstones(workspace), set(versions)
        salt = before.stones[0].salt if before else secrets.token_hex(16)
        new = [
            Tombstone(
                kind=kind,
                salt=salt,
                sha256=mark(salt, kind, value),
                since=time.strftime("%Y-%m-%d"),
                versions=tuple(sorted(told)) if kind == "requester" else (),
            )
            for kind, value in sorted(set(marked))
            if not before.cover(kind, value)
            or (kind == "requester" and not told <= set(known_versions(before, value)))
        ]
        if new:
            old = path.read_text(encoding="utf-8") if before else ""
            write_whole(path, old + "".join(f"{stone.model_dump_json()}\n" for stone in new))
        return Tombstones(stones=(*before.stones, *new))


def known_versions(tombstones: Tombstones, requester: str) -> tuple[str, ...]:
    """Give the versions that were trained on a requester's rows, as it was known when they were forgotten."""
    mine = [one for one in tombstones.stones if one.sha256 == mark(one.salt, "requester", requester)]
    return tuple(sorted({version for one in mine for version in one.versions}))
