"""Orphans: the processes of runs whose worker was killed, and which go on without one: nobody else can end them."""

import time
from collections.abc import Iterable
from pathlib import Path

import psutil

RUN = "PREFECT__FLOW_RUN_ID"  # in the environment of a run's process, and of those that it started
PATIENCE = 40  # seconds; a training ends at its next step
OFTEN = 0.1  # seconds between two looks


def orphans(workspace: Path, here: str) -> dict[str, list[psutil.Process]]:
    """Give, by the ids of their runs, the processes of this machine that run a flow in a workspace without a worker.

    The variable `here` names the workspace to a worker and to all that it starts; the process that an orphan falls to has none.
    """
    found = dict[str, list[psutil.Process]]()
    for process in psutil.process_iter():
        told = _environment(process)
        if RUN in told and told.get(here) == str(workspace) and here not in _environment(_parent(process)):
            found.setdefault(told[RUN], []).append(process)
    return found


def end_orphans(processes: Iterable[psutil.Process]) -> None:
    """Ask processes to end, and kill those that do not; returns when they are gone."""
    asked = list(processes)
    for process in asked:
        _signal(process, kill=False)
    for process in _left_of(asked):
        _signal(process, kill=True)
    _left_of(asked)


def _left_of(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Wait until processes are gone, but not for ever; give those that are not."""
    left, end = list(processes), time.monotonic() + PATIENCE
    while (left := [one for one in left if _lives(one)]) and time.monotonic() < end:
        time.sleep(OFTEN)
    return left


def _lives(process: psutil.Process) -> bool:
    """Say whether a process lives; one that nobody has buried yet does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return


def _parent(process: psutil.Process) -> psutil.Process | None:
    try:
        return process.parent()
    except psutil.Error:
        return None


def _environment(process: psutil.Process | None) -> dict[str, str]:
    """Give what a process was started with; nothing of one that is gone, or another user's."""
    try:
        return process.environ() if process else {}
    except (psutil.Error, OSError):
        return {}
