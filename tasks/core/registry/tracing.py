"""Tracing: from a version back to what it was made of, and from a row or a requester to every version that has learned it.

The way back is by digests: a version's tags name its dataset, a dataset's receipt names its shards, and those hold the rows.
What was cleared from the store cannot be traced, and is told.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.receipts import KnownDataset, TokenRows
from tasks.core.registry.ancestry import ancestors, descendants, is_orphan, parent_of
from tasks.core.registry.client import Registry, Version
from tasks.core.registry.lineage import (
    ADAPTER_DIGEST,
    BASE_DIGEST,
    BASE_IDENTITY,
    CODE_DIGEST,
    EXAMPLES_DIGEST,
    FILES_DIGEST,
    LOG_DIGESTS,
    PACKAGES,
    QUANTIZATION,
    TOKENS_DIGEST,
)
from tasks.core.store.artifacts import damage, stored_receipts
from tasks.core.store.datasets import find_examples
from tasks.core.store.rows import ROWS, read_table

DIGESTS = {
    "adapter": ADAPTER_DIGEST,
    "base": BASE_DIGEST,
    "dataset": EXAMPLES_DIGEST,
    "token rows": TOKENS_DIGEST,
    "files": FILES_DIGEST,
    "code": CODE_DIGEST,
}
SOUGHT = ("row_id", "conversation", "requester")
TOLD = (*SOUGHT, "line", "split")


@dataclass(frozen=True)
class Dataset:
    """A dataset in the store: its digest, its counts of rows, and the folders of its shards by their digests."""

    digest: str
    counts: Mapping[str, int]
    shards: Mapping[str, Path]


@dataclass(frozen=True)
class Sighting:
    """A row that was asked for: which it is, whether it was trained on or held out, and in which datasets and versions."""

    row_id: str
    conversation: str
    requester: str
    line: int
    split: str
    datasets: tuple[str, ...]
    versions: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


def datasets(workspace: Path) -> list[Dataset]:
    """Give every dataset in the store."""
    return [
        Dataset(
            receipt["digest"],
            receipt["counts"],
            {shard["digest"]: workspace / shard["path"] for shard in receipt["shards"]},
        )
        for receipt in stored_receipts(workspace, "assembly")
    ]


def find_dataset(workspace: Path, examples: str, token_rows: str) -> KnownDataset | None:
    """Find the dataset of a version by its digests; None where something of it was cleared, is damaged, or was made elsewhere."""
    known = find_examples(workspace, examples)
    rows = (
        TokenRows.model_validate(one)
        for one in stored_receipts(workspace, "token_gathering")
        if one["digest"] == token_rows and not damage(workspace / one["path"])
    )
    tokens = next(rows, None)
    return KnownDataset(examples=known, rows=tokens) if known and tokens else None


def trace_version(client: Registry, workspace: Path, version: Version) -> dict[str, Any]:
    """Say what a version was made of, and which runs had it; what is not in the store is null."""
    known = {one.digest: one for one in datasets(workspace)}
    dataset = known.get(version.tags.get(EXAMPLES_DIGEST, ""))
    versions = client.versions(version.name)
    lineage = [version, *ancestors(versions, version)]
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "base": version.tags.get(BASE_IDENTITY, ""),
        "quantization": version.tags.get(QUANTIZATION, ""),
        "parent": parent_of(version),
        "ancestors": [one.version for one in lineage[1:]],
        "lost_ancestor": parent_of(lineage[-1]) if is_orphan(versions, lineage[-1]) else 0,
        "digests": {what: version.tags.get(tag, "") for what, tag in DIGESTS.items()},
        "logs": [one for one in version.tags.get(LOG_DIGESTS, "").split(",") if one],
        "rows": dict(dataset.counts) if dataset else None,
        "settings": client.run_params(version.run_id),
        "packages": [one for one in version.tags.get(PACKAGES, "").split(",") if one],
        "runs": _runs(workspace, version),
        "mlflow_run_id": version.run_id,
    }


def trace_rows(workspace: Path, versions: Sequence[Version], sought: Mapping[str, str]) -> list[Sighting]:
    """Give every row that is what is `sought` (a `row_id`, `conversation` or `requester`, exactly), with who has it."""
    held = datasets(workspace)
    folders = {digest: folder for dataset in held for digest, folder in dataset.shards.items()}
    found: dict[tuple[str, ...], tuple[dict[str, Any], set[str]]] = {}
    for digest, folder in folders.items():
        for row in _rows_in(folder, sought):
            key = tuple(str(row[name]) for name in TOLD)
            found.setdefault(key, (row, set()))[1].add(digest)
    sightings = []
    for row, shards in found.values():
        names = tuple(sorted(one.digest for one in held if shards & set(one.shards)))
        have = [one for one in versions if one.tags.get(EXAMPLES_DIGEST) in names]
        heirs = descendants(versions, have) if row["split"] == "train" else []
        learned = tuple(sorted(one.version for one in (*have, *heirs)))
        sightings.append(Sighting(**row, datasets=names, versions=learned))
    return sorted(sightings, key=lambda one: (one.conversation, one.row_id, one.line))


def learned_from(workspace: Path, versions: Sequence[Version], row_ids: Collection[str]) -> list[Version]:
    """Give the versions that were trained on some of these rows, or went on from one that was; not those only judged by them."""
    sought = pa.array(sorted(row_ids), pa.string())
    taught = {
        one.digest
        for one in datasets(workspace)
        if any(_teaches(folder / ROWS, sought) for folder in one.shards.values())
    }
    mine = [one for one in versions if one.tags.get(EXAMPLES_DIGEST) in taught]
    both = [*mine, *descendants(versions, mine)]
    return [one for one in versions if one in both]


def untraceable(workspace: Path, versions: Sequence[Version]) -> list[Version]:
    """Give the versions of whose dataset something is not in the store any more: nobody can say whose rows they learned.

    So it is of one that went on from such a version, or from one that is not in the registry any more.
    """
    whole = {
        one.digest
        for one in datasets(workspace)
        if all((folder / ROWS).is_file() for folder in one.shards.values())
    }
    lost = [one for one in versions if one.tags.get(EXAMPLES_DIGEST) not in whole or is_orphan(versions, one)]
    both = [*lost, *descendants(versions, lost)]
    return [one for one in versions if one in both]


def _teaches(path: Path, sought: pa.Array) -> bool:
    if not path.is_file():
        return False
    table = read_table(path, ("row_id", "split"))
    mine = pc.and_(pc.is_in(table["row_id"], sought), pc.equal(table["split"], "train"))
    return bool(pc.any(mine).as_py())


def _rows_in(folder: Path, sought: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if not (folder / ROWS).is_file():
        return
    table = read_table(folder / ROWS, TOLD)
    for name, value in sought.items():
        table = table.filter(pc.equal(table[name], value))
    yield from table.to_pylist()


def _runs(workspace: Path, version: Version) -> list[str]:
    """Name the runs that ended with a version, oldest first."""
    found = []
    for outcome in sorted((workspace / "runs").glob("*/outcome.json")):
        try:
            told = json.loads(outcome.read_bytes())
        except ValueError:  # `freshtune runs` tells of it
            continue
        model = told.get("model", {})
        if (model.get("name"), model.get("version")) == (version.name, version.version):
            found.append(str(told["run_id"]))
    return found
