"""Addresses: where a workspace's own Prefect and MLflow servers are, and the credentials that open them."""

import json
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from tasks.core.errors import SettingsError
from tasks.core.store.syncing import write_whole

SERVICES = "services"
ADDRESSES = "addresses.json"
CONTROL = "control.sock"
USER = "freshtune"
LONGEST_SOCKET = 100  # bytes; the kernel takes 107
PATIENCE = 2.0  # seconds for the supervisor to take a connection
PREFECT, CREDENTIALS, MLFLOW = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_URI"
API = "/api"
PORTS = {"http": 80, "https": 443}
SERVER = re.compile(r"https?://(?:[\w.-]+|\[[\da-f:]+\])(?::\d{1,5})?(?:/\S*)?")
PAIR = re.compile(r"[^:\s]+:\S+")


@dataclass(frozen=True)
class Addresses:
    """Where the servers of a workspace listen, as `http://host:port`, and who may come in."""

    prefect: str
    mlflow: str
    user: str
    password: str
    prefect_database: str = ""
    """URL, with its password, of a database elsewhere; empty is a file of the workspace."""
    mlflow_database: str = ""

    def environment(self) -> dict[str, str]:
        """Give the variables with which the clients of Prefect and MLflow find their servers."""
        return {
            PREFECT: f"{self.prefect}{API}",
            CREDENTIALS: self.credentials,
            "PREFECT_CLIENT_MAX_RETRIES": "8",  # minutes, in which a server may be started again
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; by its silence a killed run is found out
            MLFLOW: self.mlflow,
            "MLFLOW_TRACKING_USERNAME": self.user,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    @property
    def credentials(self) -> str:
        """Give user and password as one string."""
        return f"{self.user}:{self.password}"


def services_folder(workspace: Path) -> Path:
    """Give the private folder of a workspace's services."""
    return workspace.absolute() / SERVICES


def read_addresses(workspace: Path) -> Addresses | None:
    """Read where the servers were told to listen; None where none were ever started. Raises `SettingsError` when damaged."""
    file = services_folder(workspace) / ADDRESSES
    try:
        return Addresses(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise SettingsError(
            f"{file} is damaged.", cure="Delete it and say `freshtune up` again: credentials are made anew."
        ) from None


def keep_addresses(
    workspace: Path, prefect: str, mlflow: str, databases: tuple[str, str] = ("", "")
) -> Addresses:
    """Keep where the servers listen from now on; credentials are made once, and only this user can read them."""
    known = read_addresses(workspace)
    password = known.password if known else secrets.token_urlsafe(24)
    kept = Addresses(prefect, mlflow, USER, password, *databases)
    folder = services_folder(workspace)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(folder / ADDRESSES, json.dumps(asdict(kept), indent=1))
    return kept


def told_addresses(environment: Mapping[str, str]) -> Addresses:
    """Read where clients find the servers from the variables that clients read; one user and password open both.

    Databases are not told by them. Raises `SettingsError` that names every variable that is missing or means nothing.
    """
    problems = [
        f"{name} {'means nothing' if environment.get(name) else 'is missing'}"
        for name, form in ((PREFECT, SERVER), (CREDENTIALS, PAIR), (MLFLOW, SERVER))
        if not form.fullmatch(environment.get(name, ""))
    ]
    if problems:
        raise SettingsError(
            f"A service on its own is told by the environment where the servers are: {', '.join(problems)}.",
            cure=f"Set {PREFECT}=http://HOST:PORT{API}, {CREDENTIALS}=USER:PASSWORD and {MLFLOW}=http://HOST:PORT.",
        )
    user, _, password = environment[CREDENTIALS].partition(":")
    told = Addresses(
        environment[PREFECT].rstrip("/").removesuffix(API), environment[MLFLOW].rstrip("/"), user, password
    )
    ours = told.environment()
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        if environment.get(name, ours[name]) != ours[name]:
            raise SettingsError(
                f"{name} and {CREDENTIALS} differ.",
                cure=f"Leave {name} out: one user and password open both servers.",
            )
    return told


def door_of(address: str) -> tuple[str, int]:
    """Give host and port of a server's address."""
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def control_socket(workspace: Path) -> Path:
    """Give the path of the supervisor's socket: in the services' folder, or among temporary files where that is too long."""
    path = services_folder(workspace) / CONTROL
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    name = sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"freshtune-{os.getuid()}" / f"{name}.sock"


def are_up(workspace: Path) -> bool:
    """Say whether the services of a workspace are supervised now, without waiting for any of them."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE)
        try:
            line.connect(str(control_socket(workspace)))
        except OSError:
            return False
    return True
