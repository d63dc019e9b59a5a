"""Starting a service: it does not outlive its supervisor, knows the addresses, and waits for the servers that it needs."""

import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from flows.environment import prepare
from tasks.core.errors import ServiceError
from tasks.core.operating.addresses import Addresses, read_addresses, services_folder, told_addresses
from tasks.core.operating.guard import basic
from tasks.core.store.lifelines import die_with_parent

MESSAGES = {"PREFECT_LOGGING_TO_CONSOLE": "true", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO"}
ANSWER = 5.0  # seconds for one answer
OFTEN = 0.5  # seconds between two questions


def enter(workspace: Path) -> Addresses:
    """Set up this process as a service of a workspace, and give the servers' addresses.

    Raises `ServiceError` when the services of the workspace were never set up.
    """
    die_with_parent()
    os.environ |= MESSAGES
    addresses = read_addresses(workspace)
    if addresses is None:
        raise ServiceError(f"{workspace} has no services.", cure="Start them with `freshtune up`.")
    prepare(workspace)
    return addresses


def enter_alone(workspace: Path) -> Addresses:
    """Set up this process as a service on its own, as in a container, and give the addresses that the environment names.

    It outlives whoever started it. Raises `SettingsError` when the environment does not name them.
    """
    os.environ |= MESSAGES
    addresses = told_addresses(os.environ)
    os.environ |= addresses.environment()
    prepare(workspace)
    services_folder(workspace).mkdir(exist_ok=True, mode=0o700)
    return addresses


def answers(address: str, addresses: Addresses) -> bool:
    """Say whether a server answers its health check."""
    url = f"{address}/health" if address == addresses.mlflow else f"{address}/api/health"
    asked = urllib.request.Request(url, headers={"Authorization": basic(addresses.credentials)})  # noqa: S310 - ours, http
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def wait_for_servers(addresses: Addresses) -> None:
    """Wait until both servers answer; a supervisor that ends meanwhile ends this process."""
    while not (answers(addresses.prefect, addresses) and answers(addresses.mlflow, addresses)):
        time.sleep(OFTEN)
