"""Commands that keep it running: servers, worker and watcher up and down, and what runs by itself."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from deployments.options import JSON, LOGS, RECIPE, SETS, WORKSPACE, workspace_of
from deployments.printing import print_result, say
from deployments.run_records import list_runs, run_line
from deployments.services.choosing import choose_addresses
from deployments.services.starting import MESSAGES, answers
from deployments.services.supervising import (
    ServiceState,
    service_states,
    start_supervisor,
    stop_supervisor,
)
from deployments.services.worker import become_worker
from deployments.settings_reading import read_settings
from flows.environment import HERE
from tasks.core.errors import ServiceError
from tasks.core.operating.addresses import (
    ADDRESSES,
    SERVICES,
    Addresses,
    are_up,
    read_addresses,
    services_folder,
)
from tasks.core.operating.orphans import end_orphans, orphans
from tasks.core.report.wording import clock

if TYPE_CHECKING:
    from flows.deployed import Deployment

DESCRIBED = Path(__file__).with_name("prefect.yaml")
LONGEST_START = 180  # seconds; databases are set up at the first one
OFTEN = 0.5  # seconds between two looks
SHOWN = 3  # runs
PORT = click.IntRange(1, 65535)


@click.command()
@click.option(
    "--host",
    help="Address of this machine to listen on; others come in with the password.  [default: 127.0.0.1]",
)
@click.option("--prefect-port", type=PORT, help="[default: 4200]")
@click.option("--mlflow-port", type=PORT, help="[default: 5000]")
@click.option(
    "--postgres",
    metavar="URL",
    envvar="FRESHTUNE_POSTGRES",
    default="",
    help="Keep both servers' databases at this Postgres server.",
)
@WORKSPACE
@JSON
def up(
    host: str | None,
    prefect_port: int | None,
    mlflow_port: int | None,
    postgres: str,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Start the servers of Prefect and MLflow, a worker and the watcher of new logs, and keep them running.

    They listen on this machine only and let nobody in without the password, which is made at the first start and kept in
    services/addresses.json of the workspace. What dies is started again. Other commands find the servers by themselves. Where
    they listen and keep their databases is kept for the next start too.

    A password in --postgres can be seen by others on this machine while this command runs; FRESHTUNE_POSTGRES cannot.

    \b
    Example:
      freshtune up
      freshtune deploy demo
      freshtune status
    """
    place = _prepared(workspace)
    if are_up(place):
        say("up already, as they were started; options count at a start only")
    else:
        addresses = choose_addresses(place, host, prefect_port, mlflow_port, postgres)
        say("starting; at the first start, databases are set up …")
        began = time.monotonic()
        start_supervisor(place)
        _wait(place, addresses)
        say(f"up after {clock(time.monotonic() - began)}")
    _prepared(workspace)  # once more: now there are servers to be found
    _tell(place, as_json=as_json)


@click.command()
@WORKSPACE
def worker(workspace: str | None) -> None:
    """Take runs of a Prefect server on another machine; --workspace is the folder that both share.

    Its addresses and credentials are read from PREFECT_API_URL, PREFECT_API_AUTH_STRING, MLFLOW_TRACKING_URI,
    MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.

    \b
    Example:
      freshtune worker --workspace /mnt/team/freshtune
    """
    from flows.environment import is_served, prepare

    place = workspace_of(workspace)
    os.environ.update(MESSAGES)
    prepare(place)
    if not is_served():
        raise ServiceError(
            "No Prefect server is configured.", cure="Set PREFECT_API_URL, or say `freshtune up`."
        )
    become_worker(place)


@click.command()
@WORKSPACE
@JSON
def down(workspace: str | None, as_json: bool) -> None:
    """Stop what `up` started; a run in progress ends at its next step, and goes on when it is started again.

    \b
    Example:
      freshtune down
    """
    place = workspace_of(workspace)
    were_up = are_up(place)
    end_orphans(one for each in orphans(place, HERE).values() for one in each)  # while a server hears of it
    if were_up:
        stop_supervisor(place)
    line = "All services have ended." if were_up else f"No services were up in {place}."
    print_result({"schema": 1, "status": "done", "were_up": were_up}, line, as_json=as_json)


@click.command()
@WORKSPACE
@JSON
def status(workspace: str | None, as_json: bool) -> None:
    """Show on one page what is up, what runs by itself and when, and what ran last.

    \b
    Example:
      freshtune status
    """
    place = workspace_of(workspace)
    if are_up(place):
        _prepared(workspace)
    _tell(place, as_json=as_json)


@click.command()
@RECIPE
@LOGS
@SETS
@click.option("--cron", default="", help="When to retrain, as a cron line.  [default: 0 3 * * 1]")
@click.option(
    "--timezone",
    default="",
    help="Of the cron line, across summer and winter time.  [default: Europe/Berlin]",
)
@click.option("--pool", default="", help="Work pool that takes the runs.  [default: freshtune, of processes]")
@WORKSPACE
@JSON
def deploy(
    recipe: str,
    logs: tuple[str, ...],
    sets: tuple[str, ...],
    cron: str,
    timezone: str,
    pool: str,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Let RECIPE run by itself: retrain by the clock and when new logs come, check daily; promote and roll back on the pages.

    Said again, it changes what is deployed under the name of the recipe's model. A pool that is not ours must be there.

    \b
    Example:
      freshtune deploy thunderbird --logs 'logs/*.jsonl' --cron '0 4 * * *' --timezone Europe/Berlin
      freshtune deploy guide --pool gpus
    """
    settings = read_settings(recipe, sets, logs, workspace)
    from flows.environment import is_served, prepare
    from flows.preflight import look_first

    look_first(settings, with_base=True)
    prepare(settings.workspace)
    if not is_served():
        raise ServiceError("No Prefect server is configured.", cure="Start one with `freshtune up`.")
    from flows.deploying import deploy as apply

    described = yaml.safe_load(DESCRIBED.read_text(encoding="utf-8"))
    made = apply(settings, described, cron, timezone, pool)
    record = {"schema": 1, "status": "done", "deployments": [_deployment_record(one) for one in made]}
    print_result(record, "\n".join(_deployment_lines(made)), as_json=as_json)


def _prepared(workspace: str | None) -> Path:
    from flows.environment import prepare

    place = workspace_of(workspace)
    prepare(place)
    return place


def _wait(place: Path, addresses: Addresses) -> None:
    """Wait until both servers answer; where one cannot start, everything is ended again."""
    end = time.monotonic() + LONGEST_START
    missing = {"prefect": addresses.prefect, "mlflow": addresses.mlflow}
    while missing:
        if time.monotonic() > end or not are_up(place):
            if are_up(place):
                stop_supervisor(place)
            name = next(iter(missing))
            raise ServiceError(
                f"The {name} server does not answer.",
                cure=f"Read why in {services_folder(place) / name}.log.",
            )
        missing = {name: where for name, where in missing.items() if not answers(where, addresses)}
        time.sleep(OFTEN)


def _tell(place: Path, *, as_json: bool) -> None:
    addresses, states = read_addresses(place), service_states(place)
    made, problem = _deployments() if states else ([], "")
    last = list_runs(place)[:SHOWN]
    services = [
        {"name": one.name, "state": one.state.lower(), "pid": one.pid, "seconds": one.seconds}
        for one in states
    ]
    record = {
        "schema": 1,
        "status": "up" if states else "down",
        "services": services,
        "prefect": addresses.prefect if addresses else "",
        "mlflow": addresses.mlflow if addresses else "",
        "deployments": [_deployment_record(one) for one in made],
        "runs": [{name: run[name] for name in ("run_id", "status", "reason")} for run in last],
    }
    ran = [run_line(run) for run in last]
    if not states:
        lines = [f"No services are up in {place}: freshtune up", *(["", *ran] if ran else [])]
        print_result(record, "\n".join(lines), as_json=as_json)
        return
    assert addresses is not None  # noqa: S101 - they were kept before the services were started
    lines = [_service_line(one, addresses) for one in states]
    lines += ["", f"Sign in as {addresses.user}; the password is in {place / SERVICES / ADDRESSES}.", ""]
    nothing = [problem or "Nothing runs by itself yet: freshtune deploy RECIPE"]
    lines += _deployment_lines(made) or nothing
    lines += ["", *ran] if ran else []
    print_result(record, "\n".join(lines), as_json=as_json)


def _deployments() -> "tuple[list[Deployment], str]":
    """Give what is deployed, or why that cannot be told; the services are shown all the same."""
    from flows.deployed import deployments

    try:
        return deployments(), ""
    except ServiceError as error:
        return [], f"What runs by itself cannot be told: {error.message}"


def _service_line(one: ServiceState, addresses: Addresses) -> str:
    where = {
        "prefect": addresses.prefect,
        "mlflow": addresses.mlflow,
        "worker": "takes what is due",
        "watcher": "looks for new logs",
    }
    since = f"for {clock(one.seconds)}" if one.state == "RUNNING" else ""
    return f"{one.name:<9} {one.state.lower():<9} {where[one.name]:<24} {since}".rstrip()


def _deployment_lines(made: "list[Deployment]") -> list[str]:
    return [f"{one.name:<34} {_next(one)}" for one in made]


def _next(one: "Deployment") -> str:
    if one.paused:
        return "paused"
    if one.next_run is None:
        return "when somebody starts it"
    return f"next {one.next_run:%a %Y-%m-%d %H:%M %Z}" + (
        ", and when new logs come" if one.name.startswith("retrain/") else ""
    )


def _deployment_record(one: "Deployment") -> dict[str, Any]:
    due = one.next_run.astimezone(UTC).isoformat() if isinstance(one.next_run, datetime) else None
    return {"name": one.name, "paused": one.paused, "next_run": due}
