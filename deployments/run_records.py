"""The runs of a workspace, as they left themselves in their folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.printing import shorten
from tasks.core.errors import SettingsError
from tasks.core.store.locks import is_held
from tasks.core.store.run_files import AT_WORK, OUTCOME, read_outcome


def list_runs(workspace: Path) -> list[dict[str, Any]]:
    """Give every run, newest first; one whose outcome is missing or unreadable says so."""
    folders = sorted((workspace / "runs").glob("*"), reverse=True) if (workspace / "runs").is_dir() else []
    return [_read(folder) for folder in folders if folder.is_dir()]


def run_line(run: Mapping[str, Any]) -> str:
    """Say on one line what became of a run."""
    return f"{run['run_id']:<22} {run['status']:<18} {shorten(run['reason'], 58)}"


def find_run(workspace: Path, name: str) -> Path:
    """Find a run's folder by `latest`, its id, or the beginning of its id."""
    runs = [str(run["run_id"]) for run in list_runs(workspace)]
    if not runs:
        raise SettingsError(f"There is no run in {workspace}.", cure="Start one with `freshtune run`.")
    found = runs[:1] if name == "latest" else [run for run in runs if run.startswith(name)]
    if name in found:
        found = [name]
    if len(found) != 1 or not name:
        count = "no run" if not found else f"{len(found)} runs"
        raise SettingsError(f"{count.capitalize()} of that name.", cure="See `freshtune runs` for the ids.")
    return workspace / "runs" / found[0]


def read_run(folder: Path) -> dict[str, Any]:
    """Give a run's public figures."""
    return _read(folder)


def _read(folder: Path) -> dict[str, Any]:
    try:
        record = read_outcome(folder)
    except ValueError:
        return _told(folder, "unreadable", f"{OUTCOME} is damaged.")
    if record is not None:
        return {**record, "run_id": folder.name}
    if is_held(folder / AT_WORK):
        return _told(folder, "running", "It is at work.")
    return _told(folder, "unfinished", "It was ended before its end; the next start goes on from it.")


def _told(folder: Path, status: str, reason: str) -> dict[str, Any]:
    return {"schema": 1, "run_id": folder.name, "status": status, "reason": reason, "run_dir": str(folder)}
