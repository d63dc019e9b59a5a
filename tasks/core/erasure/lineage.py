"""Lineage: the artifacts of a store, which of them can hold rows, and what was made from what."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.core.store.artifacts import manifest_receipt
from tasks.core.store.digests import digests_in

# Steps whose artifacts can hold text or ids of rows, in the order of a log's way. What comes later goes first: as long as
# the early ones are there, a removal that was cut off finds all that it has still to do.
WAY = (
    "unpacking",
    "message_collection",
    "collection",
    "conversation_threading",
    "readmission",
    "raw_validation",
    "cleaning",
    "clean_validation",
    "formation",
    "example_validation",
    "tokenization",
    "token_gathering",
    "row_choice",
    "earlier_gathering",
    "evaluation",
    "earlier_scoring",
    "reply_comparison",
    "question_reading",
    "answering",
    "data_docs",
)
MIXED = "conversation_threading"  # a part of it may hold messages of every shard


@dataclass(frozen=True)
class Unit:
    """An artifact, or a part of one: its folder, its digest, and the digests that it was made from."""

    folder: Path
    digest: str
    made_from: frozenset[str]


@dataclass(frozen=True)
class Artifact:
    """An artifact of a store, and its parts; one whose manifest cannot be read is made from nothing that is known."""

    step: str
    folder: Path
    whole: Unit
    parts: tuple[Unit, ...]
    log_parts: frozenset[str]
    """Digests of the parts of an unpacked log."""

    @property
    def units(self) -> tuple[Unit, ...]:
        """Give its parts, and the whole last."""
        return (*self.parts, self.whole)


def artifacts(workspace: Path) -> list[Artifact]:
    """Give the artifacts of a workspace that can hold rows."""
    folders = [folder for step in WAY for folder in sorted((workspace / "store" / step).glob("*"))]
    return [_artifact(workspace, folder) for folder in folders if folder.is_dir()]


def holding(every: Iterable[Artifact], hits: Iterable[Path]) -> set[Path]:
    """Give the folders of the artifacts that hold one of the files `hits`, and of those made from what does.

    An unpacked log goes with the rows that were read from a part of it.
    """
    known, files = list(every), list(hits)
    gone = {unit.folder for one in known for unit in one.units if _holds(unit.folder, files)}
    affected = {unit.digest for one in known for unit in _touched(one, gone, frozenset())}
    while True:
        touched = [(one, unit) for one in known for unit in _touched(one, gone, affected)]
        more = {unit.digest for _, unit in touched}
        if more <= affected:
            break
        affected |= more
    shards = {digest for _, unit in touched for digest in unit.made_from}
    unpacked = {one.folder for one in known if one.log_parts & shards}
    return {one.folder for one, _ in touched} | unpacked


def made_from(every: Iterable[Artifact], digests: Iterable[str]) -> set[Path]:
    """Give the folders of everything that was made from `digests`, parts by themselves."""
    known, affected = list(every), set(digests)
    while True:
        found = {unit for one in known for unit in one.units if unit.made_from & affected}
        more = {unit.digest for unit in found}
        if more <= affected:
            return {unit.folder for unit in found}
        affected |= more


def _touched(one: Artifact, gone: set[Path], affected: Iterable[str]) -> Iterator[Unit]:
    """Give the units of an artifact that hold something themselves or were made from what does."""
    mine = frozenset(affected)
    parts = [unit for unit in one.parts if unit.folder in gone or unit.made_from & mine]
    yield from parts
    if parts or one.folder in gone or (not one.parts and one.whole.made_from & mine):
        yield one.whole


def _holds(folder: Path, files: Iterable[Path]) -> bool:
    return any(file.is_relative_to(folder) for file in files)


def _artifact(workspace: Path, folder: Path) -> Artifact:
    receipt = manifest_receipt(folder) or {}
    step = folder.parent.name
    whole = Unit(folder, str(receipt.get("digest", "")), frozenset(digests_in(receipt.get("made_from"))))
    pieces = [one for one in receipt.get("parts", ()) if isinstance(one, Mapping)]
    parts = [
        Unit(
            workspace / one["path"],
            one["digest"],
            frozenset(digests_in(one["made_from"])) | (whole.made_from if step == MIXED else frozenset()),
        )
        for one in pieces
        if "path" in one
    ]
    log_parts = frozenset(one["digest"] for one in pieces if "path" not in one)
    return Artifact(step, folder, whole, tuple(parts), log_parts)
