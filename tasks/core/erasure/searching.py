"""Searching: which files of a workspace hold a needle."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.core.erasure.contents import Unsearchable, contents
from tasks.core.erasure.needles import Needles


@dataclass
class Hits:
    """The files that hold needles, with those; and the files that are damaged, of which nobody can tell."""

    files: dict[Path, set[bytes]] = field(default_factory=dict)
    damaged: set[Path] = field(default_factory=set)

    @property
    def paths(self) -> list[Path]:
        """Give all of them, by name."""
        return sorted({*self.files, *self.damaged})


def search(workspace: Path, needles: Needles) -> Hits:
    """Look for needles in every file of a workspace, packed or not."""
    hits = Hits()
    for path in files_of(workspace):
        found = set[bytes]()
        try:
            for data in contents(path, needles.longest - 1):
                found |= needles.within(data)
        except Unsearchable:
            hits.damaged.add(path)
        if found:
            hits.files[path] = found
    return hits


def files_of(folder: Path) -> Iterator[Path]:
    """Give every regular file below a folder; what a link leads to is not ours."""
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
