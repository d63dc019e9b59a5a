"""The worker of a workspace: it takes the runs of its work pool, each in a process of its own."""

import os
import platform
import sys
from pathlib import Path
from typing import NoReturn

from deployments.services.starting import enter, wait_for_servers
from flows.environment import HERE

POOL = "freshtune"


def work(workspace: Path) -> None:
    """Become the worker of the services of a workspace, once the servers answer."""
    wait_for_servers(enter(workspace))
    become_worker(workspace)


def become_worker(workspace: Path) -> NoReturn:
    """Become a Prefect worker of the configured server; the runs that it takes use `workspace`."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    named = [
        "--name",
        platform.node(),
    ]  # without a limit: a run that waits for its form would take up a place
    environment = os.environ | {HERE: str(workspace)}
    os.execve(sys.executable, [*command, *named], environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    work(Path(sys.argv[1]))
