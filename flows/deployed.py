"""What is deployed at a Prefect server: which deployments there are, when they run next, and whose logs are watched."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from prefect import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, FlowRunFilter
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import Event, RelatedResource, Resource
from prefect.events.clients import get_events_client
from websockets.exceptions import WebSocketException

from tasks.core.errors import ServiceError

TAG = "freshtune"
ARRIVED = "freshtune.logs.arrived"
RETRAIN = "retrain"


@dataclass(frozen=True)
class Deployment:
    """A deployment of ours, as people name it: `flow/name`."""

    id: str
    name: str
    model: str
    logs: tuple[str, ...]
    paused: bool
    waiting: bool
    """Somebody, or new logs, have asked for a run that has not begun."""
    next_run: datetime | None
    """In the time zone of its schedule."""


def deployments() -> list[Deployment]:
    """List the deployments of ours at the configured server. Raises `ServiceError` when it does not answer."""
    mine = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    try:
        with get_client(sync_client=True) as client:
            flows = {flow.id: flow.name for flow in client.read_flows()}
            found = client.read_deployments(deployment_filter=mine)
            due = client.read_flow_runs(
                flow_run_filter=FlowRunFilter.model_validate(
                    {"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}}
                ),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            )
    except httpx.HTTPError as error:
        raise ServiceError(
            f"Prefect does not answer ({type(error).__name__}).", cure="See `freshtune status` and its log."
        ) from error
    first = dict[Any, datetime | None]()
    for run in due:
        if run.auto_scheduled:
            first.setdefault(run.deployment_id, run.expected_start_time)
    asked_for = {run.deployment_id for run in due if not run.auto_scheduled}
    listed = []
    for one in found:
        settings = one.parameters.get("settings", {})
        listed.append(
            Deployment(
                id=str(one.id),
                name=f"{flows.get(one.flow_id, '?')}/{one.name}",
                model=one.name,
                logs=tuple(settings.get("logs", {}).get("paths", ())),
                paused=one.paused,
                waiting=one.id in asked_for,
                next_run=_in_zone(first.get(one.id), one.schedules),
            )
        )
    return sorted(listed, key=lambda one: one.name)


def _in_zone(moment: datetime | None, schedules: Sequence[DeploymentSchedule]) -> datetime | None:
    zones = [getattr(one.schedule, "timezone", None) for one in schedules]
    zone = next((name for name in zones if name), "UTC")
    return moment.astimezone(ZoneInfo(zone)) if moment else None


def watched_deployments() -> list[Deployment]:
    """List the deployments that retrain when new logs come, also those that are paused."""
    return [one for one in deployments() if one.name.startswith(f"{RETRAIN}/") and one.logs]


def announce_logs(deployment: Deployment) -> None:
    """Tell Prefect that new logs came, for the deployment whose trigger waits for it."""
    event = Event(
        event=ARRIVED,
        resource=Resource(
            {
                "prefect.resource.id": f"freshtune.logs.{deployment.model}",
                "prefect.resource.name": deployment.model,
            }
        ),
        related=[
            RelatedResource(
                {
                    "prefect.resource.id": f"prefect.deployment.{deployment.id}",
                    "prefect.resource.role": "deployment",
                }
            )
        ],
    )

    async def send() -> None:
        async with get_events_client() as client:
            await client.emit(event)

    try:
        asyncio.run(send())
    except (OSError, httpx.HTTPError, WebSocketException) as error:
        raise ServiceError(
            f"Prefect took no event ({type(error).__name__}).", cure="It is told again at the next look."
        ) from error
