"""Deploying: the work pool, the limits, the watch over runs, and the deployments, at the configured Prefect server."""

import copy
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.events import EventTrigger
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, Posture
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType

from flows.deployed import TAG, Deployment, deployments
from tasks.core.errors import ServiceError, SettingsError
from tasks.core.settings import Settings
from tasks.showing import GPU

DEFAULT = "support-assistant"  # the model's name in the file of deployments
PATIENCE, OFTEN = 15.0, 1.0  # seconds for Prefect to plan the next runs
SILENCE = timedelta(minutes=3)  # after which a run that gave signs of life is taken for dead
PROCESS = "process"  # the type of the pool of ours
PROCESS_JOB = {"stream_output": False}  # through a pipe to the worker, a killed worker would end its runs
SILENT = "Freshtune: runs that give no sign of life"


def deploy(
    settings: Settings, described: Mapping[str, Any], cron: str, timezone: str, pool: str = ""
) -> list[Deployment]:
    """Create or change everything that a recipe needs to run by itself; give its deployments.

    Their runs go to the work pool `pool`, or to the described one, which is made where it is missing.
    Raises `SettingsError` for a cron line or a time zone that means nothing and for a pool of others that is not there,
    `ServiceError` when Prefect does not answer.
    """
    ours = described["deployments"][0]["work_pool"]["name"]
    made = [_deployment(one, settings, cron, timezone, pool or ours) for one in described["deployments"]]
    try:
        with get_client(sync_client=True) as client:
            kind = _prepare_pool(client, pool or ours, ours, settings.registry.name)
            _prepare_server(client)
        for one in made:
            one.job_variables = PROCESS_JOB if kind == PROCESS else {}
            one.apply()
    except httpx.TransportError as error:
        raise ServiceError(
            f"Prefect does not answer ({type(error).__name__}).", cure="Start it with `freshtune up`."
        ) from error
    return _listed({f"{one.flow_name}/{one.name}": bool(one.schedules) for one in made})


def _listed(made: Mapping[str, bool]) -> list[Deployment]:
    """List what was deployed, by name with whether it has a schedule, once Prefect has planned the next runs."""
    end = time.monotonic() + PATIENCE
    while True:
        found = [one for one in deployments() if one.name in made]
        if all(one.next_run or not made[one.name] for one in found) or time.monotonic() > end:
            return found
        time.sleep(OFTEN)


def _deployment(
    described: Mapping[str, Any], settings: Settings, cron: str, timezone: str, pool: str
) -> RunnerDeployment:
    one = _renamed(copy.deepcopy(dict(described)), settings.registry.name)
    retrains = one["entrypoint"].endswith(".retrain")
    schedules = [_schedule(each, cron if retrains else "", timezone) for each in one.get("schedules", ())]
    flow: Flow[..., Any] = load_flow_from_entrypoint(one["entrypoint"])
    made = flow.to_deployment(
        one["name"],
        entrypoint_type=EntrypointType.MODULE_PATH,  # from a folder, each run would copy that folder first
        description=one["description"],
        tags=one["tags"],
        work_pool_name=pool,
        work_queue_name=one["work_pool"].get("work_queue_name"),
        schedules=schedules,
        triggers=[DeploymentEventTrigger.model_validate(each) for each in one.get("triggers", ())],
        parameters={"settings": settings.model_dump(mode="json")}
        if "settings" in flow.parameters.properties
        else {"model": settings.registry.name},
    )
    return cast("RunnerDeployment", made)


def _renamed(value: Any, name: str) -> Any:
    """Put a model's name where the file has the default one."""
    if isinstance(value, dict):
        return {key: _renamed(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, name) for inner in value]
    return value.replace(DEFAULT, name) if isinstance(value, str) else value


def _schedule(described: Mapping[str, str], cron: str, timezone: str) -> Schedule:
    try:
        ZoneInfo(timezone or described["timezone"])
        return Cron(
            cron or described["cron"], timezone=timezone or described["timezone"], slug=described["slug"]
        )
    except (ValueError, LookupError) as error:
        raise SettingsError(
            f"{cron or described['cron']} in {timezone or described['timezone']} is no schedule.",
            cure="Give a cron line such as '0 3 * * 1', and a zone such as Europe/Berlin.",
        ) from error


def _prepare_pool(client: SyncPrefectClient, pool: str, ours: str, queue: str) -> str:
    """Make the pool, where it is ours, and the queue of a model in it; give the pool's type.

    A limit on the queue lets one run at a time through, and one that waits for its form does not count. With a limit on the
    deployment, that run would be ended within minutes: Prefect 3.8 takes its lease away.
    """
    try:
        kind = client.read_work_pool(pool).type
    except ObjectNotFound:
        if pool != ours:
            raise SettingsError(
                f"There is no work pool named {pool}.",
                cure="Create it with `prefect work-pool create`, or leave --pool out.",
            ) from None
        kind = client.create_work_pool(WorkPoolCreate(name=pool, type=PROCESS)).type
    try:
        known = client.read_work_queue_by_name(queue, work_pool_name=pool)
    except ObjectNotFound:
        known = client.create_work_queue(name=queue, work_pool_name=pool)
    client.update_work_queue(known.id, concurrency_limit=1)
    return kind


def _prepare_server(client: SyncPrefectClient) -> None:
    try:
        client.read_concurrency_limit_by_tag(GPU)
    except ObjectNotFound:
        client.create_concurrency_limit(tag=GPU, concurrency_limit=1)
    watch = AutomationCore(
        name=SILENT,
        description="A run whose process was killed with its worker is not Running for ever.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"},
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
            },
            for_each={"prefect.resource.id"},
            within=SILENCE,
            threshold=1,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="It gave no sign of life. Start it again: it goes on from what is complete.",
            )
        ],
    )
    watching = client.read_automations_by_name(SILENT)
    if watching:
        client.update_automation(watching[0].id, watch)
    else:
        client.create_automation(watch)
