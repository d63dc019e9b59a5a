"""Artifacts: written aside, synced, published in one move; complete or absent.

<workspace>/store/<step>/<key>/       files, manifest.json (written last), receipt.json (Prefect's record)
<workspace>/work/<step>/<key>/        what an unfinished step keeps for its next start (checkpoints)
<workspace>/damaged/                  what was set aside
"""

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tasks.core.errors import DiskFull
from tasks.core.receipts import Receipt
from tasks.core.store.digests import digest_file, digest_folder, digest_value
from tasks.core.store.locks import exclusive
from tasks.core.store.making import Making, told
from tasks.core.store.syncing import sync

R = TypeVar("R", bound=Receipt)
MANIFEST = "manifest.json"
RECORD = "receipt.json"
SCHEMA = 1
LEAST_FREE = 2**20  # bytes


@dataclass(frozen=True)
class Draft:
    """An artifact being written: `folder` is published by `seal`, `work` survives a crash."""

    folder: Path
    work: Path
    workspace: Path
    step: str
    key: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    making: Making = field(default_factory=Making)
    resumed: bool = False
    began: float = field(default_factory=time.monotonic)

    def seal(self, kind: type[R], *, counts: Mapping[str, int] | None = None, **facts: Any) -> R:
        """Write the manifest, publish the folder in one move, and give the receipt.

        Its digest covers the files and the counts: equal rows out of more rows in are not the same work. A step whose
        output is used without its counts gives a `digest` of its own.
        """
        files = digest_folder(self.folder)
        receipt = kind(
            path=f"store/{self.step}/{self.key}",
            digest=facts.pop("digest", None) or digest_value([files, dict(counts or {})]),
            counts=dict(counts or {}),
            made_from=dict(self.inputs),
            **facts,
        )
        sizes = {name: (self.folder / name).stat().st_size for name in files}
        manifest = {
            "schema": SCHEMA,
            "step": self.step,
            "key": self.key,
            "files": {name: {"sha256": sha, "size": sizes[name]} for name, sha in files.items()},
            "receipt": receipt.model_dump(mode="json"),
            "made": told(self.making, time.monotonic() - self.began, resumed=self.resumed),
        }
        manifest["sha256"] = digest_value(manifest)
        (self.folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
        self._publish(receipt.folder(self.workspace))
        return receipt

    def part(self, kind: type[R], name: str, counts: Mapping[str, int], made_from: Mapping[str, Any]) -> R:
        """Give the receipt of a part, a folder `name` inside this artifact; it is published with the whole."""
        return kind(
            path=f"store/{self.step}/{self.key}/{name}",
            digest=digest_value([digest_folder(self.folder / name), dict(counts)]),
            counts=dict(counts),
            made_from=dict(made_from),
        )

    def _publish(self, target: Path) -> None:
        for path in sorted(self.folder.rglob("*"), reverse=True):
            sync(path)
        sync(self.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # a record without an artifact: someone deleted files by hand
            set_aside(self.workspace, target)
        self.folder.rename(target)
        sync(target.parent)
        shutil.rmtree(self.work, ignore_errors=True)


@contextmanager
def drafting(
    workspace: Path, step: str, key: str, inputs: Mapping[str, Any], making: Making | None = None
) -> Iterator[Draft]:
    """Open a draft; whatever is not sealed is removed, also what a killed owner left behind.

    The caller holds the artifact's lock. Raises `DiskFull` in place of the system's error.
    """
    aside = workspace / "drafts" / f"{step}-{key}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True, mode=0o700)
    work = workspace / "work" / step / key
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        resumed = any(work.iterdir())
        yield Draft(aside, work, workspace, step, key, inputs, making or Making(), resumed)
    except Exception as error:
        full = disk_full(error, workspace)
        if full is None:
            raise
        raise full from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def disk_full(error: Exception, place: Path) -> DiskFull | None:
    """Say that the disk is full when that is what an error means, also one of a library with errors of its own."""
    number = getattr(error, "errno", None)
    return no_space(place) if number in {errno.ENOSPC, errno.EDQUOT} or says_full(str(error)) else None


def says_full(text: str) -> bool:
    """Say whether a text holds the system's words for a full disk."""
    return any(os.strerror(number) in text for number in (errno.ENOSPC, errno.EDQUOT))


def full_disk(place: Path) -> DiskFull | None:
    """Say that the disk is full when it is; for errors of others, who hide why they failed."""
    return no_space(place) if shutil.disk_usage(place).free < LEAST_FREE else None


def no_space(place: Path) -> DiskFull:
    """Say that the disk is full, with what is free."""
    free = shutil.disk_usage(place).free // 2**20 if place.exists() else 0
    return DiskFull(
        f"The disk of {place} is full ({free} MiB free).",
        cure="Free some space or give another --workspace; the next start goes on from what is complete.",
    )


def locked(workspace: Path, step: str, key: str) -> Any:
    """Hold the lock of one artifact."""
    return exclusive(workspace / "locks" / f"{step}-{key}.lock")


def find(workspace: Path, step: str, key: str, kind: type[R]) -> R | None:
    """Give the receipt of an artifact that is complete and whole, or None."""
    folder = workspace / "store" / step / key
    if not (folder / MANIFEST).exists() or damage(folder):
        return None
    return kind.model_validate(json.loads((folder / MANIFEST).read_bytes())["receipt"])


def damage(folder: Path, *, by_size: bool = False) -> str:
    """Say what is wrong with an artifact; empty when it is whole.

    Every file is read and compared with the manifest, or, `by_size`, only measured; a file that is not in it is damage too.
    Prefect's record is not part of the artifact: see `record_agrees`.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        expected = {name: (entry["sha256"], entry["size"]) for name, entry in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} is missing or unreadable"
    if manifest.pop("sha256", "") != digest_value(manifest) or manifest.get("schema") != SCHEMA:
        return f"{MANIFEST} was changed or has another schema"
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {
        MANIFEST,
        RECORD,
    }
    for name in sorted(present ^ set(expected)):
        return f"{name} is {'missing' if name in expected else 'not in the manifest'}"
    for name, (sha, size) in expected.items():
        if (folder / name).stat().st_size != size or (not by_size and digest_file(folder / name) != sha):
            return f"{name} does not have the digest of the manifest"
    return ""


def manifest_receipt(folder: Path) -> dict[str, Any] | None:
    """Give the receipt in an artifact's manifest; None where there is none."""
    try:
        receipt = json.loads((folder / MANIFEST).read_bytes())["receipt"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return receipt if isinstance(receipt, dict) else None


def stored_receipts(workspace: Path, step: str) -> Iterator[dict[str, Any]]:
    """Give the receipts of all artifacts of a step that are in the store."""
    folder = workspace / "store" / step
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        receipt = manifest_receipt(place)
        if receipt is not None:
            yield receipt


def set_aside(workspace: Path, folder: Path) -> Path:
    """Move a folder out of the store into `damaged/`, keeping it for a look."""
    place = workspace / "damaged"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = Path(tempfile.mkdtemp(prefix=f"{folder.parent.name}-{folder.name}-", dir=place))
    folder.rename(target / folder.name)
    return target / folder.name


def record_agrees(folder: Path) -> bool:
    """Compare Prefect's result record, if there is one, with the receipt in the manifest."""
    try:
        result = json.loads(json.loads((folder / RECORD).read_bytes())["result"])
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):  # Prefect writes it in place, so a kill can tear it
        return False
    return isinstance(result, dict) and result.get("data") == manifest_receipt(folder)
