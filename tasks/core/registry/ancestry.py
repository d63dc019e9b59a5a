"""Ancestry: which version went on from which, and whether a training may go on from one.

A version that went on from another has learned what that one has, too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.fitting.learned import LEARNED
from tasks.core.receipts import Adapter
from tasks.core.registry.client import Version
from tasks.core.registry.lineage import PARENT, PARENT_ADAPTER
from tasks.core.registry.succession import unlike
from tasks.core.store.artifacts import damage, stored_receipts
from tasks.core.store.tombstones import Tombstones

SHAPE = ("method", "rank", "alpha", "targets")  # of an adapter, as its settings name it


def parent_of(version: Version) -> int:
    """Give the number of the version that one went on from; 0 where its training began from the base."""
    return int(version.tags.get(PARENT, "0"))


def ancestors(versions: Sequence[Version], version: Version) -> list[Version]:
    """Give the versions that one went on from, the nearest first, as far as they are among `versions`."""
    known = {(one.name, one.version): one for one in versions}
    found, next_one = list[Version](), known.get((version.name, parent_of(version)))
    while next_one is not None and next_one not in found:
        found.append(next_one)
        next_one = known.get((version.name, parent_of(next_one)))
    return found


def descendants(versions: Sequence[Version], of: Sequence[Version]) -> list[Version]:
    """Give the versions that went on from some others, directly or by way of more; none that is itself among those."""
    return [
        one for one in versions if one not in of and any(older in of for older in ancestors(versions, one))
    ]


def is_orphan(versions: Sequence[Version], version: Version) -> bool:
    """Say whether a version went on from one that is not among `versions`."""
    return bool(parent_of(version)) and not any(
        (one.name, one.version) == (version.name, parent_of(version)) for one in versions
    )


def find_adapter(workspace: Path, digest: str) -> Adapter | None:
    """Find an adapter as its training left it, with what it has learned; None where that was cleared, is damaged, or was made elsewhere."""
    for receipt in stored_receipts(workspace, "adapter_training"):
        folder = workspace / receipt["path"]
        if receipt["adapter_digest"] == digest and (folder / LEARNED).is_file() and not damage(folder):
            return Adapter.model_validate(receipt)
    return None


def why_no_parent(
    version: Version, versions: Sequence[Version], ours: Mapping[str, str], tombstones: Tombstones
) -> str:
    """Say why no training may go on from a version, by what the registry says of it; empty when one may.

    What was trained on rows of somebody who is forgotten is not handed on.
    """
    lineage = [version, *ancestors(versions, version)]
    taught = {name for stone in tombstones.stones for name in stone.versions}
    if taught & {f"{one.name}/{one.version}" for one in lineage}:
        return f"version {version.version} was trained on rows of somebody who is forgotten since"
    if is_orphan(versions, lineage[-1]):
        return f"version {version.version} went on from version {parent_of(lineage[-1])}, which is not in the registry any more"
    ways = unlike(version, ours)
    return f"version {version.version} {' and '.join(ways)}" if ways else ""


def unlike_shape(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Say in what the shapes of two adapters differ, by their settings; empty when they are alike."""
    ways = [name for name in SHAPE if _plain(theirs.get(name)) != _plain(ours.get(name))]
    return " and ".join(
        f"lora.{name} {_plain(theirs.get(name))}, not {_plain(ours.get(name))}" for name in ways
    )


def from_base_words(why: str) -> str:
    """Say that a training begins from the base where the settings would have it go on."""
    return f"training.start is champion, and the training begins from the base, on all rows: {why}."


def tags_of_parent(version: int, adapter_digest: str) -> dict[str, str]:
    """Say as tags which version a training went on from."""
    return {PARENT: str(version), PARENT_ADAPTER: adapter_digest}


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(sorted(value))
    return f"{value:g}" if isinstance(value, int | float) else str(value)
