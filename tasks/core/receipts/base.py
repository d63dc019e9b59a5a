"""What a record and a receipt are."""

from pathlib import Path
from typing import Any

import pydantic
from pydantic import ConfigDict

CHANGED, OPEN = (
    "changed:",
    "open:",
)  # how digests begin that a plan foretells: new ones, and such as may be as before


def is_foretold(digest: str) -> bool:
    """Say whether a digest is only foretold."""
    return digest.startswith((CHANGED, OPEN))


class Record(pydantic.BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def in_key(self) -> Any:
        """Give what counts for cache keys: by default everything."""
        return self.model_dump(mode="json")


class Receipt(Record):
    """Where an artifact is (relative to the workspace), its digest, counts, and what it was made from.

    The row counts add up: in = kept + quarantined + filtered + duplicates + over_length. A shard of rows that were fixed
    and taken back has `in` 0: its rows leave `quarantined`, which is therefore negative.
    """

    path: str
    digest: str
    counts: dict[str, int] = {}
    made_from: dict[str, Any] = {}

    def in_key(self) -> Any:
        """Give the digest."""
        return {type(self).__name__: self.digest}

    def folder(self, workspace: Path) -> Path:
        """Give the artifact's folder in `workspace`."""
        return workspace / self.path
