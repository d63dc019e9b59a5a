"""A run's own Prefect server, where none is configured: it starts beside our imports, which take as long.

Its socket is opened here and inherited, so no port is raced for, and a client that comes early waits.
"""

import atexit
import os
import socket
import subprocess
import sys
from pathlib import Path

from tasks.core.starting import start_quickly
from tasks.core.store.lifelines import die_with_parent

ROOT = Path(__file__).parents[1]
LOG, DATABASE = Path("prefect") / "server.log", Path("prefect") / "prefect.db"
START = 120  # seconds that a first request may wait for the server
PATIENCE = 5.0  # seconds between asking the server to stop and killing it
ADDRESS = "PREFECT_API_URL"
_started: set[str] = set()  # addresses


def start_own_server(workspace: Path) -> None:
    """Start a server of this process's own unless `PREFECT_API_URL` names one; it ends when this process does.

    Call it before Prefect is imported, which reads the address once.
    """
    if os.environ.get(ADDRESS):
        return
    log = workspace / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.own_server", str(listening.fileno())],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            pass_fds=[listening.fileno()],
            start_new_session=True,  # the keyboard's signal is for the run, which has last words for its server
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, no lock is taken
        )
        port = listening.getsockname()[1]
    os.environ[ADDRESS] = f"http://127.0.0.1:{port}/api"
    _started.add(os.environ[ADDRESS])
    os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", str(START))
    atexit.register(_end, process)  # what Prefect registers later is called before, and has last words too


def must_set_up(workspace: Path) -> bool:
    """Say whether a server of this workspace's own sets up its database first, which takes ten seconds or more."""
    return not (os.environ.get(ADDRESS) or (workspace / DATABASE).exists())


def is_own_server(address: str) -> bool:
    """Say whether an address is of a server that this process started."""
    return address in _started


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _serve(descriptor: int) -> None:
    start_quickly()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app(ephemeral=True, final=True)  # without the pages and the services of a server that stays
    config = uvicorn.Config(app, log_level="error", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
