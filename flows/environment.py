"""The environment of a run: set before Prefect and MLflow are imported, since they read it once."""

import logging
import os
from pathlib import Path

from tasks.core.errors import SettingsError


def prepare(workspace: Path) -> None:
    """Keep every file under `workspace`, every library quiet, and nothing on the network but configured servers.

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
    ours = {"PREFECT_LOCAL_STORAGE_PATH": f"{place}/store"}
    if not os.environ.get("PREFECT_API_URL"):
        ours["PREFECT_HOME"] = f"{place}/prefect"
    os.environ.update(ours)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("bitsandbytes").setLevel(
        logging.ERROR
    )  # it offers a kernel from the network at every start


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
