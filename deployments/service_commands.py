"""The command that runs one service on its own, where something else starts and keeps it, as containers do."""

import os
from dataclasses import replace
from pathlib import Path

import click

from deployments.options import WORKSPACE, workspace_of
from deployments.services.starting import answers, enter_alone
from deployments.services.worker import become_run, work
from tasks.core.errors import ServiceError
from tasks.core.operating.addresses import Addresses, door_of, told_addresses
from tasks.core.operating.databases import NAMES, databases_at, make_databases

SERVERS = ("prefect", "mlflow")
OTHERS = ("worker", "watcher", "run")


@click.command()
@click.argument("name", type=click.Choice([*SERVERS, *OTHERS]))
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address of this machine that a server listens on."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port that it listens on.  [default: as told]")
@click.option(
    "--postgres",
    metavar="URL",
    envvar="FRESHTUNE_POSTGRES",
    default="",
    help="Keep the server's database at this Postgres server.",
)
@click.option("--check", is_flag=True, help="Only ask the running server whether it is well.")
@WORKSPACE
def service(
    name: str, host: str, port: int | None, postgres: str, check: bool, workspace: str | None
) -> None:
    """Be one service, where something else starts and keeps it: a server, the worker, the watcher, or one run of a pool.

    Where clients find the servers, and who may come in, is read from PREFECT_API_URL, PREFECT_API_AUTH_STRING and
    MLFLOW_TRACKING_URI. `up` needs none of it.

    \b
    Example:
      freshtune service prefect --host 0.0.0.0
      freshtune service prefect --check
      freshtune service worker
    """
    if name in SERVERS and check:
        _check(name, told_addresses(os.environ))
    elif name in SERVERS:
        place = workspace_of(workspace)
        _serve(name, place, enter_alone(place), host, port, postgres)
    elif check:
        raise click.UsageError("--check goes with prefect and mlflow only.")
    else:
        place = workspace_of(workspace)
        _do(name, place, enter_alone(place))


def _check(name: str, addresses: Addresses) -> None:
    if not answers(_address_of(name, addresses), addresses):
        raise ServiceError(f"The {name} server does not answer.", cure="Read why in its messages.")


def _serve(
    name: str, workspace: Path, addresses: Addresses, host: str, port: int | None, postgres: str
) -> None:
    if postgres:
        make_databases(postgres, [NAMES[SERVERS.index(name)]])
        first, second = databases_at(postgres)
        addresses = replace(addresses, prefect_database=first, mlflow_database=second)
    door = host, port or door_of(_address_of(name, addresses))[1]
    if name == "prefect":
        from deployments.services import prefect_server

        prefect_server.serve(workspace, addresses, door)
    else:
        from deployments.services import mlflow_server

        mlflow_server.serve(workspace, addresses, door)


def _do(name: str, workspace: Path, addresses: Addresses) -> None:
    if name == "worker":
        work(workspace, addresses)
    elif name == "run":
        become_run(workspace)
    else:
        from deployments.services.watcher import watch

        watch(workspace, addresses)


def _address_of(name: str, addresses: Addresses) -> str:
    return addresses.prefect if name == "prefect" else addresses.mlflow
