"""What runs by itself: the file of deployments is whole, its schedules keep their hour, and mistakes are told before anything."""

import asyncio
import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.flows import load_flow_from_entrypoint
from prefect.server.schemas.schedules import CronSchedule

from deployments.operating_commands import DESCRIBED
from flows.deployed import deployments, watched_deployments
from flows.deploying import SILENT, deploy
from tasks.core.errors import SettingsError
from tasks.core.settings import Settings

Json = dict[str, Any]
JOB = json.loads((DESCRIBED.parent / "containers" / "kubernetes-job.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def described() -> Json:
    read: Json = yaml.safe_load(DESCRIBED.read_text(encoding="utf-8"))
    return read


def schedules(described: Json) -> list[Json]:
    return [schedule for one in described["deployments"] for schedule in one.get("schedules", ())]


def test_every_deployment_leads_to_a_flow_that_takes_the_settings_or_a_model(described: Json) -> None:
    flows = [load_flow_from_entrypoint(one["entrypoint"]) for one in described["deployments"]]
    assert [flow.name for flow in flows] == ["retrain", "check", "sweep", "promote", "rollback"]
    asked = [list(flow.parameters.properties) for flow in flows]
    assert asked == [["settings"]] * 3 + [["version", "why", "model", "who"], ["why", "model", "who"]]
    described_fields = [field for flow in flows[3:] for field in flow.parameters.properties.values()]
    assert all(field.get("description") for field in described_fields)


@pytest.mark.parametrize("begin", ["2027-03-01", "2027-10-01"])
def test_schedules_keep_their_hour_when_the_clocks_change(described: Json, begin: str) -> None:
    for one in schedules(described):
        planned = CronSchedule(cron=one["cron"], timezone=one["timezone"])
        start = datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo("UTC"))
        due = asyncio.run(planned.get_dates(n=60, start=start))
        local = [moment.astimezone(ZoneInfo(one["timezone"])) for moment in due]
        assert {moment.hour for moment in local} == {int(one["cron"].split()[1])}
        assert len({moment.utcoffset() for moment in local}) == 2  # the clocks have changed in between


def test_a_recipe_is_deployed_under_its_models_name_and_again_without_a_second_one(
    described: Json, settings: Settings, prefect_server: None
) -> None:
    named = settings.model_copy(
        update={"registry": settings.registry.model_copy(update={"name": "help-desk"})}
    )
    for cron in ("", "30 4 * * *"):
        deploy(named, described, cron, "America/New_York" if cron else "")
    mine = [one for one in deployments() if one.model == "help-desk"]
    assert [one.name for one in mine] == [
        f"{flow}/help-desk" for flow in ("check", "promote", "retrain", "rollback", "sweep")
    ]
    assert {one.name.partition("/")[0]: one.logs for one in mine}["retrain"] == settings.logs.paths
    with get_client(sync_client=True) as client:
        made = client.read_deployment_by_name("retrain/help-desk")
        (schedule,) = made.schedules
        assert schedule.schedule.model_dump(include={"cron", "timezone"}) == {
            "cron": "30 4 * * *",
            "timezone": "America/New_York",
        }
        assert made.entrypoint == "flows.retrain.retrain"
        assert made.job_variables == {"stream_output": False}  # else a killed worker ends its runs
        assert made.path is None  # else every run would copy that folder first
        assert made.global_concurrency_limit is None  # its lease ends a run that waits for its form
        queue = client.read_work_queue_by_name("help-desk", work_pool_name="freshtune")
        assert (made.work_queue_name, queue.concurrency_limit) == ("help-desk", 1)
        assert Settings.model_validate(made.parameters["settings"]) == named
        triggers = [one for one in client.read_automations() if "help-desk" in one.name]
        assert [one.trigger.match.root for one in triggers] == [  # type: ignore[union-attr]
            {"prefect.resource.id": "freshtune.logs.help-desk"}
        ]
        assert len(client.read_automations_by_name(SILENT)) == 1
        client.update_deployment(made.id, DeploymentUpdate(paused=True))
    (watched,) = [one for one in watched_deployments() if one.model == "help-desk"]
    assert (watched.name, watched.paused) == ("retrain/help-desk", True)  # its new logs are told afterwards


@pytest.mark.parametrize(("cron", "zone"), [("every day", ""), ("0 25 * * *", ""), ("", "Middle/Earth")])
def test_a_schedule_that_means_nothing_is_told_and_nothing_is_deployed(
    described: Json, settings: Settings, prefect_server: None, cron: str, zone: str
) -> None:
    before = len(deployments())
    with pytest.raises(SettingsError, match="is no schedule"):
        deploy(settings, described, cron, zone)
    assert len(deployments()) == before


def test_runs_go_to_a_pool_that_is_there_and_to_no_other(
    described: Json, settings: Settings, prefect_server: None
) -> None:
    named = settings.model_copy(
        update={"registry": settings.registry.model_copy(update={"name": "pooled-desk"})}
    )
    with pytest.raises(SettingsError, match="There is no work pool named gpus"):
        deploy(named, described, "", "", "gpus")
    assert [one for one in deployments() if one.model == "pooled-desk"] == []
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="gpus", type="kubernetes", base_job_template=JOB))
        deploy(named, described, "", "", "gpus")
        made = [client.read_deployment_by_name(f"{flow}/pooled-desk") for flow in ("retrain", "rollback")]
        assert {one.work_pool_name for one in made} == {"gpus"}
        assert made[0].job_variables == {}
        assert client.read_work_pool("gpus").type == "kubernetes"
        deploy(named, described, "", "", described["deployments"][0]["work_pool"]["name"])
        assert client.read_deployment_by_name("retrain/pooled-desk").work_pool_name == "freshtune"
