"""The environment of a run: set before Prefect and MLflow are imported, since they read it once."""

import atexit
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path

from tasks.core.errors import SettingsError
from tasks.core.operating.addresses import CREDENTIALS, MLFLOW, PREFECT, are_up, read_addresses
from tasks.core.operating.guard import basic
from tasks.core.settings import Settings

HERE = "FRESHTUNE_WORKSPACE"
SPINS = 1000
"""Spins of a thread that waits for another, before it sleeps; while it spins, nothing else has its core."""


def prepare(workspace: Path) -> None:
    """Keep every file under `workspace`, every library quiet, and nothing on the network but configured servers.

    Configured are those that the environment names, then those of `freshtune up`, where they run in this workspace.
    Raises `SettingsError` for a workspace that is no folder or cannot be written to.
    """
    place = workspace.absolute()
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        problem = "" if os.access(place, os.W_OK | os.X_OK) else "it cannot be written to"
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        raise SettingsError(
            f"{place} cannot be the workspace: {problem}.", cure="Give a folder of yours with --workspace."
        )
    _set(place, home=f"{place}/prefect")


def look_only(workspace: Path) -> None:
    """Set the same for a command that only looks: nothing is made in `workspace`, not even itself."""
    home = tempfile.mkdtemp(prefix="freshtune-looks-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    _set(workspace.absolute(), home=home)


def _set(place: Path, home: str) -> None:
    _use_servers(place)
    ours = {"PREFECT_LOCAL_STORAGE_PATH": f"{place}/store"}
    if not os.environ.get(PREFECT):
        ours["PREFECT_HOME"] = home
    os.environ.update(ours)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
    logging.getLogger("bitsandbytes").setLevel(
        logging.ERROR
    )  # it offers a kernel from the network at every start


def here(settings: Settings) -> Settings:
    """Give the settings of a run with the workspace of the worker that runs it; a deployment names that of whoever made it.

    Raises `SettingsError` in a worker of others, which would keep Prefect's results where nothing is ever found again.
    """
    worker = os.environ.get(HERE, "")
    place = Path(worker or settings.workspace)
    results = os.environ.get("PREFECT_LOCAL_STORAGE_PATH", "")
    if not results or (worker and results != f"{place}/store"):
        raise SettingsError(
            f"This process keeps results in {results or 'its home'}, and the workspace is {place}.",
            cure=f"Start runs with `freshtune run`, or with a worker of `freshtune up` ({HERE}).",
        )
    return settings.model_copy(update={"workspace": place})


def is_served() -> bool:
    """Say whether a Prefect server is configured."""
    return bool(os.environ.get(PREFECT))


def _use_servers(place: Path) -> None:
    """Let clients find the servers of `freshtune up`, each unless the environment names another."""
    if are_up(place) and (addresses := read_addresses(place)):
        for name, value in addresses.environment().items():
            main = PREFECT if name.startswith("PREFECT") else MLFLOW
            if os.environ.get(main) in {None, "", addresses.environment()[main]}:
                os.environ[name] = value
    if credentials := os.environ.get(CREDENTIALS):  # web sockets go without them else
        header = json.dumps({"Authorization": basic(credentials)})
        os.environ.setdefault("PREFECT_CLIENT_CUSTOM_HEADERS", header)


DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_CONSOLE": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "TQDM_DISABLE": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCHDYNAMO_DISABLE": "1",  # nothing here is compiled; bitsandbytes would load the compiler, for 1.5 s a process
}
