"""A run whose worker was killed is found by what it was started with, and by nothing else, and ends when asked, or is killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tasks.core.operating import orphans as craft
from tasks.core.operating.orphans import RUN, end_orphans, orphans

HERE = "A_WORKSPACE"
WORKER = f"""
import os, signal, subprocess, sys
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
started = subprocess.Popen(["sleep", "60"], env={{**os.environ, "{RUN}": sys.argv[2]}}, stdout=subprocess.DEVNULL)
print(started.pid, flush=True)
if sys.argv[1] == "lives":
    started.wait()
"""
Started = Callable[..., psutil.Process]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """Start a worker that starts a run; it dies at once, or lives."""
    family = list[psutil.Process]()

    def start(worker: str = "dies", run: str = "r", workspace: Path = tmp_path) -> psutil.Process:
        began = subprocess.Popen(
            [sys.executable, "-c", WORKER, worker, run],
            env={**os.environ, HERE: str(workspace)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert began.stdout
        child = psutil.Process(int(began.stdout.readline()))
        family.extend([psutil.Process(began.pid), child])
        if worker != "lives":
            began.wait()
        return child

    yield start
    for one in family:
        if one.is_running():
            one.kill()


def test_only_what_runs_here_without_a_worker_is_an_orphan(started: Started, tmp_path: Path) -> None:
    mine, other = started(run="one"), started(run="two")
    started("lives", run="three")
    started(run="four", workspace=tmp_path / "elsewhere")
    assert orphans(tmp_path, HERE) == {"one": [mine], "two": [other]}


@pytest.mark.parametrize("worker", ["dies", "stubborn"])
def test_an_orphan_ends(
    started: Started, tmp_path: Path, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(craft, "PATIENCE", 1)
    run = started(worker)
    began = time.monotonic()
    end_orphans(orphans(tmp_path, HERE)["r"])
    assert not run.is_running() or run.status() == psutil.STATUS_ZOMBIE
    assert (time.monotonic() - began >= 1) is (worker == "stubborn")
    end_orphans([run])
    assert orphans(tmp_path, HERE) == {}
