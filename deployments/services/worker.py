"""The worker of a workspace: it takes the runs of its work pool, each in a process of its own."""

import os
import platform
import sys
from pathlib import Path

from deployments.services.starting import enter, wait_for_servers
from flows.environment import HERE

POOL = "freshtune"
MOST = 2  # runs at once; trainings are one at a time by their tag


def work(workspace: Path) -> None:
    """Become a Prefect worker once the servers answer."""
    addresses = enter(workspace)
    wait_for_servers(addresses)
    environment = os.environ | {HERE: str(workspace)}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    named = ["--name", platform.node(), "--limit", str(MOST)]
    os.execve(sys.executable, [*command, *named], environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    work(Path(sys.argv[1]))
