"""Locks, released by the kernel when their owner dies: one per artifact, and one for the whole workspace."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.core.errors import SettingsError

WORKSPACE = Path("locks") / "workspace.lock"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` exclusively; waits for its owner, never for a dead one."""
    with _held(path, fcntl.LOCK_EX):
        yield


@contextmanager
def at_work(workspace: Path) -> Iterator[None]:
    """Hold the workspace beside other runs; waits for whoever has it alone."""
    with _held(workspace / WORKSPACE, fcntl.LOCK_SH):
        yield


@contextmanager
def alone(workspace: Path) -> Iterator[None]:
    """Hold the workspace alone; runs that start meanwhile wait. Raises `SettingsError` while one is in progress."""
    try:
        with _held(workspace / WORKSPACE, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield
    except BlockingIOError:
        raise SettingsError(
            f"A run is in progress in {workspace}.", cure="Let it end, or stop it, and say this again."
        ) from None


def is_held(path: Path) -> bool:
    """Say whether a living process holds the lock file `path`; one that is not there is held by nobody."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def _held(path: Path, how: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield
