"""Choosing where the services of a workspace listen and keep their databases; what is not said stays as it was."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

from tasks.core.errors import SettingsError
from tasks.core.operating.addresses import Addresses, keep_addresses, read_addresses
from tasks.core.operating.databases import databases_at, make_databases

LOCAL, PREFECT_PORT, MLFLOW_PORT = "127.0.0.1", 4200, 5000


def choose_addresses(
    workspace: Path, host: str | None, prefect_port: int | None, mlflow_port: int | None, postgres: str
) -> Addresses:
    """Settle and keep the addresses of services that are not up; what is empty is as at the last start, or the default.

    Raises `SettingsError` for a port that is taken, and for other databases than those that hold the registry by now;
    `ServiceError` when Postgres does not answer.
    """
    known = read_addresses(workspace)
    before = [urlsplit(known.prefect), urlsplit(known.mlflow)] if known else []
    place = host or (before[0].hostname if before else None) or LOCAL
    ports = {
        "prefect": prefect_port or (before[0].port if before else None) or PREFECT_PORT,
        "mlflow": mlflow_port or (before[1].port if before else None) or MLFLOW_PORT,
    }
    for name, port in ports.items():
        _insist_on_free(place, port, name)
    databases = databases_at(postgres) if postgres else ("", "")
    if known and not postgres:
        databases = known.prefect_database, known.mlflow_database
    elif known and databases != (known.prefect_database, known.mlflow_database):
        raise SettingsError(
            f"The services of {workspace} keep their databases elsewhere, with the registry in them.",
            cure="Leave out --postgres (FRESHTUNE_POSTGRES), or begin another workspace with it.",
        )
    if postgres:
        make_databases(postgres)
    where = [f"http://{place}:{port}" for port in ports.values()]
    return keep_addresses(workspace, where[0], where[1], databases)


def _insist_on_free(host: str, port: int, name: str) -> None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} of {host} cannot be taken ({error.strerror}).",
                cure=f"Choose another with --{name}-port.",
            ) from None
