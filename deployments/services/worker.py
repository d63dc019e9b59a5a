"""The worker of a workspace: it takes the runs of its work pool, each in a process of its own."""

import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from deployments.services.starting import enter, wait_for_servers
from flows.environment import HERE
from tasks.core.operating.addresses import Addresses

POOL = "freshtune"


def work(workspace: Path, addresses: Addresses) -> NoReturn:
    """Become the worker of the services of a workspace, once the servers answer."""
    wait_for_servers(addresses)
    become_worker(workspace)


def become_worker(workspace: Path) -> NoReturn:
    """Become a Prefect worker of the configured server; the runs that it takes use `workspace`."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    named = ["--name", platform.node()]  # no --limit: a run that waits for its form would take up a place
    environment = os.environ | {HERE: str(workspace)}
    os.execve(sys.executable, [*command, *named], environment)  # noqa: S606 - no shell is wanted


def become_run(workspace: Path) -> NoReturn:
    """Become the one run that a worker elsewhere started this container for, and named in its environment."""
    os.chdir(tempfile.mkdtemp(prefix="freshtune-run-"))  # Prefect copies the folder that it is started in
    command = [sys.executable, "-m", "prefect", "flow-run", "execute"]
    os.execve(sys.executable, command, os.environ | {HERE: str(workspace)})  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    place = Path(sys.argv[1])
    work(place, enter(place))
