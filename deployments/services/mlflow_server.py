"""The MLflow server of a workspace, with its pages, behind the guard."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from deployments.services.starting import enter
from tasks.core.operating.addresses import Addresses, door_of
from tasks.core.registry.guarded_server import CREDENTIALS, PARENT
from tasks.core.registry.relocation import follow_workspace


def serve(workspace: Path, addresses: Addresses, door: tuple[str, int]) -> NoReturn:
    """Become `mlflow server`, listening at `door`, a host of this machine and a port."""
    folder = workspace / "mlflow"
    folder.mkdir(exist_ok=True, mode=0o700)
    if not addresses.mlflow_database:
        follow_workspace(folder / "mlflow.db", folder / "artifacts")
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "freshtune", "--workers", "1"]
    # Clients read and write the files themselves: what is registered can be used when no server is up, too.
    places = ["--no-serve-artifacts", "--default-artifact-root", f"{folder}/artifacts"]
    listening = ["--host", door[0], "--port", str(door[1])]
    environment = os.environ | {
        CREDENTIALS: addresses.credentials,
        PARENT: str(os.getpid()),  # which `mlflow server` keeps
        "MLFLOW_BACKEND_STORE_URI": addresses.mlflow_database or f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",  # it knows local hosts; the guard asks for more
    }
    os.execve(sys.executable, [*command, *places, *listening], environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    place = Path(sys.argv[1])
    known = enter(place)
    serve(place, known, door_of(known.mlflow))
