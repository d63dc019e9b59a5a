"""Retention: what of a workspace is kept, and what goes: one policy, told before it is done.

Kept are the last runs, the runs that made the kept versions, and every artifact that one of these used or was made from;
of a run that was killed, and of files of questions, whatever was built since it began. What the runs that go were told of
their logs is kept: whoever is to be forgotten is looked for there.
What is in the registry is not touched. Whatever goes can be built again from the logs.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.store.artifacts import MANIFEST, manifest_receipt
from tasks.core.store.digests import digests_in
from tasks.core.store.past_logs import keep_log_settings
from tasks.core.store.run_files import RECEIPTS, SETTINGS, read_outcome

RUNLESS = {"question_reading", "answering"}  # steps of `freshtune answer`, which leaves no run
MADE = "registration"  # the step whose artifact is a version


@dataclass(frozen=True)
class Cleaning:
    """What goes of a workspace: folders of artifacts and of runs, and what killed runs and repairs left over."""

    artifacts: tuple[Path, ...]
    runs: tuple[Path, ...]
    leftovers: tuple[Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Give everything that goes, runs first: as long as a run is told, what it used is there."""
        return (*self.runs, *self.artifacts, *self.leftovers)

    def size(self) -> int:
        """Give its bytes."""
        files = (file for path in self.paths for file in ([path] if path.is_file() else path.rglob("*")))
        return sum(file.lstat().st_size for file in files if not file.is_dir())


def plan_cleaning(
    workspace: Path, versions: Collection[tuple[str, int]], keep_runs: int, keep_since: float = float("inf")
) -> Cleaning:
    """Say what goes when the last `keep_runs` runs stay, and the lineage of `versions`, each a model's name and a number.

    Runs since `keep_since`, in seconds since 1970, stay too.
    """
    runs = sorted(path for path in (workspace / "runs").glob("*") if path.is_dir())
    lately = (run for run in runs if _began(run) >= keep_since)
    kept_runs = {*lately, *runs[len(runs) - min(keep_runs, len(runs)) :], *_makers(runs, versions)}
    store = _store(workspace)
    roots = {path for run in kept_runs for path in _used(workspace, run)}
    killed = min((_began(run) for run in kept_runs if not (run / RECEIPTS).exists()), default=float("inf"))
    roots |= {folder for folder in store if _built(folder) >= killed}
    oldest = min((run.stat().st_mtime for run in kept_runs), default=float("inf"))
    roots |= {folder for folder in store if folder.parent.name in RUNLESS and _built(folder) >= oldest}
    roots |= {folder for folder, receipt in store.items() if _is_version(folder, receipt, versions)}
    kept = _with_origins(roots, store)
    return Cleaning(
        artifacts=tuple(sorted(set(store) - kept)),
        runs=tuple(run for run in runs if run not in kept_runs),
        leftovers=tuple(sorted(_leftovers(workspace, oldest))),
    )


def clean(workspace: Path, cleaning: Cleaning) -> None:
    """Remove what was planned; cut off, it can be said again. The caller holds the workspace alone."""
    for run in cleaning.runs:
        keep_log_settings(workspace, run)
    for path in cleaning.paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _store(workspace: Path) -> dict[Path, Mapping[str, Any]]:
    """Give every artifact's folder with its receipt; one that cannot be read was made from nothing that is known."""
    folders = [path for path in (workspace / "store").glob("*/*") if path.is_dir()]
    return {folder: manifest_receipt(folder) or {} for folder in folders}


def _began(run: Path) -> float:
    """Say when a run began: its settings are the first that it leaves."""
    settings = run / SETTINGS
    return (settings if settings.exists() else run).stat().st_mtime


def _built(folder: Path) -> float:
    manifest = folder / MANIFEST
    return manifest.stat().st_mtime if manifest.exists() else 0.0


def _used(workspace: Path, run: Path) -> Iterator[Path]:
    """Give the folders of the artifacts that a run used; one that was killed has left no list."""
    try:
        receipts = json.loads((run / RECEIPTS).read_bytes())
    except (FileNotFoundError, ValueError):
        return
    for receipt in receipts:
        path = workspace / receipt["path"]
        yield from (one for one in (path, path.parent) if one.parent.parent == workspace / "store")


def _makers(runs: Iterable[Path], versions: Collection[tuple[str, int]]) -> Iterator[Path]:
    """Give the run that made each version, the first that ended with it."""
    found = set[tuple[str, int]]()
    for run in runs:
        try:
            model = (read_outcome(run) or {}).get("model", {})
        except ValueError:  # `freshtune runs` tells of it
            continue
        made = (model.get("name", ""), model.get("version", 0))
        if made in versions and made not in found:
            found.add(made)
            yield run


def _is_version(folder: Path, receipt: Mapping[str, Any], versions: Collection[tuple[str, int]]) -> bool:
    return folder.parent.name == MADE and (receipt.get("name", ""), receipt.get("version", 0)) in versions


def _with_origins(roots: set[Path], store: Mapping[Path, Mapping[str, Any]]) -> set[Path]:
    """Give artifacts with everything that they were made from."""
    by_digest = dict[str, set[Path]]()
    for folder, receipt in store.items():
        for one in (receipt, *(part for part in receipt.get("parts", ()) if isinstance(part, Mapping))):
            by_digest.setdefault(str(one.get("digest", "")), set()).add(folder)
    kept, ahead = set[Path](), {folder for folder in roots if folder in store}
    while ahead:
        kept |= ahead
        origins = {digest for folder in ahead for digest in digests_in(store[folder])}
        ahead = {folder for digest in origins for folder in by_digest.get(digest, ())} - kept
    return kept


def _leftovers(workspace: Path, oldest: float) -> Iterator[Path]:
    """Give what nobody needs any more: drafts of killed runs, and what has not been touched since the oldest kept run."""
    yield from (workspace / "drafts").glob("*")
    aside = [
        *(workspace / "damaged").glob("*"),
        *(workspace / "logs").glob("bug-*.txt"),
        *(workspace / "work").glob("*/*"),
    ]
    yield from (path for path in aside if _touched(path) < oldest)


def _touched(path: Path) -> float:
    return max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
