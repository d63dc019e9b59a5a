"""A workspace with its services up, as a team has it: real servers, a real worker, and a browser on their pages.

The tests are one story, in this order. `FRESHTUNE_PICTURES` names a folder that its pictures go to.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from browsers import CHROMIUM
from journeys import freshtune, outcome_of, small_logs, small_sets
from mlflow_server import free_port

from flows.environment import HERE
from tasks.core.operating.addresses import Addresses, read_addresses, services_folder
from tasks.core.operating.orphans import RUN

PATIENCE = 420  # seconds for a whole run, on a machine that does other things too
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
Json = dict[str, Any]


class House:
    """A workspace with services, and what can be asked of its servers."""

    def __init__(self, workspace: Path, logs: Path) -> None:
        self.workspace, self.logs = workspace, logs

    @property
    def addresses(self) -> Addresses:
        found = read_addresses(self.workspace)
        assert found is not None
        return found

    def command(self, *arguments: str) -> Json:
        return outcome_of(freshtune(*arguments, "--json", workspace=self.workspace))

    def prefect(self, path: str, **body: Any) -> Any:
        """Ask Prefect, which may just be starting again."""
        for _ in range(120):
            try:
                answer = httpx.post(
                    f"{self.addresses.prefect}/api/{path}", json=body, auth=self.door, timeout=20
                )
                answer.raise_for_status()
                return answer.json()
            except (httpx.TransportError, httpx.HTTPStatusError):
                time.sleep(0.5)
        raise TimeoutError(path)

    @property
    def door(self) -> tuple[str, str]:
        return self.addresses.user, self.addresses.password

    def runs(self, flow: str = "retrain") -> list[Json]:
        """Give the runs that are not in the future, the first one first."""
        found = self.prefect(
            "flow_runs/filter", flows={"name": {"any_": [flow]}}, sort="EXPECTED_START_TIME_ASC"
        )
        return [
            run
            for run in found
            if run["state_name"] not in {"Scheduled", "Late"} or not run["auto_scheduled"]
        ]

    def wait(self, met: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := met():
                return found
            time.sleep(0.5)
        raise TimeoutError(f"{[(run['name'], run['state']) for run in self.runs()]}")

    def state(self, run: str) -> str:
        return str(next(one["state_type"] for one in self.runs() if one["id"] == run))

    def service(self, name: str) -> psutil.Process:
        told = {one["name"]: one for one in self.command("status")["services"]}
        return psutil.Process(told[name]["pid"])

    def deployment(self, flow: str) -> str:
        (found,) = self.prefect("deployments/filter", flows={"name": {"any_": [flow]}})
        return str(found["id"])


@pytest.fixture(scope="module")
def house(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start the services of a fresh workspace, and deploy the small journey, which asks a person."""
    folder = tmp_path_factory.mktemp("house")
    first, _ = small_logs(folder / "sample")
    (folder / "logs").mkdir()
    shutil.copy(first, folder / "logs")
    workspace = folder / "ws"
    (workspace / "prefect").mkdir(parents=True)
    shutil.copy(migrated, workspace / "prefect")
    made = House(workspace, folder / "logs")
    ports = ["--prefect-port", str(free_port()), "--mlflow-port", str(free_port())]
    try:
        told = made.command("up", *ports)
        assert told["status"] == "up"
        told = made.command(
            "deploy", "demo", "--logs", f"{made.logs}/*.jsonl", *small_sets(), "--set", "gate.mode=ask"
        )
        assert [one["name"] for one in told["deployments"]] == [
            f"{flow}/support-assistant" for flow in ("check", "promote", "retrain", "rollback", "sweep")
        ]
        yield made
    finally:
        freshtune("down", workspace=workspace)


def test_only_their_owner_can_read_what_the_services_know(house: House) -> None:
    files = [file for file in services_folder(house.workspace).iterdir() if file.is_file()]
    assert files
    assert not [file.name for file in files if file.stat().st_mode & 0o077]
    listening = {
        one.laddr.ip
        for service in ("prefect", "mlflow")
        for process in [house.service(service), *house.service(service).children(recursive=True)]
        for one in process.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_nobody_without_credentials_gets_anything_of_any_route(house: House) -> None:
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app as mlflow_app

    schema = httpx.get(f"{house.addresses.prefect}/api/openapi.json", auth=house.door, timeout=60).json()
    prefect = [(method, f"/api{path}") for path, about in schema["paths"].items() for method in about]
    mlflow = [("get", str(rule)) for rule in flask_app.url_map.iter_rules()]
    mlflow += [("get", str(getattr(route, "path", "/"))) for route in mlflow_app.routes]
    assert min(len(prefect), len(mlflow)) > 100
    with httpx.Client(timeout=30) as client:
        for address, routes in ((house.addresses.prefect, prefect), (house.addresses.mlflow, mlflow)):
            for method, path in [*routes, ("get", "/"), ("post", "/"), ("get", "/health"), ("get", "/docs")]:
                answer = client.request(
                    method, address + path.replace("{", "").replace("}", "").replace("<", "").replace(">", "")
                )
                assert answer.status_code == 401, (method, path)
            assert client.get(f"{address}/", auth=("freshtune", "wrong")).status_code == 401
            assert client.get(f"{address}/", auth=house.door, follow_redirects=True).status_code == 200


def test_new_logs_start_a_run_that_outlives_a_restart_of_the_server_and_asks(house: House) -> None:
    assert house.runs() == []
    sample = house.logs.parent / "sample"
    shutil.copy(sample / "2026-08.jsonl", house.logs)
    run = house.wait(house.runs)[0]["id"]
    house.wait(lambda: house.state(run) == "RUNNING")
    house.wait(
        lambda: list((house.workspace / "store" / "adapter_training").glob("*")) or house.state(run) in ENDED
    )
    before = house.service("prefect")
    before.kill()
    house.wait(lambda: not before.is_running() and house.runs())
    assert house.wait(lambda: (state := house.state(run)) != "RUNNING" and state) == "PAUSED"
    assert len(house.runs()) == 1


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here")
def test_the_form_is_filled_in_on_the_page_and_the_alias_moves(house: House, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    pictures = Path(os.environ.get("FRESHTUNE_PICTURES", tmp_path))
    (run,) = house.runs()
    outside: list[str] = []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        user, password = house.door
        page = browser.new_context(
            http_credentials={"username": user, "password": password},
            viewport={"width": 1400, "height": 1000},
        ).new_page()
        page.set_default_timeout(60_000)
        page.on("response", lambda one: outside.append(one.url) if "//127.0.0.1" not in one.url else None)

        page.goto(f"{house.addresses.prefect}/runs/flow-run/{run['id']}")
        page.get_by_text("Artifacts", exact=True).click()
        receipts = page.get_by_text("merging-receipt")  # twice, where the server went right after it took one
        receipts.first.wait_for()
        page.screenshot(path=pictures / "prefect-run.png")
        page.get_by_role("button", name="Resume").click()
        form = page.get_by_role("dialog")
        form.get_by_text("Shall version 1 of support-assistant become champion?").wait_for()
        assert "over the base" in form.inner_text()
        form.get_by_role("switch").or_(form.locator("input[type=checkbox]")).first.click()
        form.get_by_role("textbox").nth(0).fill("Read ten of its replies.")
        form.get_by_role("textbox").nth(1).fill("Ann")
        page.screenshot(path=pictures / "prefect-approval.png")
        form.get_by_role("button", name="Submit").click()
        house.wait(lambda: house.state(run["id"]) in ENDED)
        page.goto(f"{house.addresses.prefect}/runs/flow-run/{run['id']}")
        page.get_by_text("Artifacts", exact=True).click()
        page.get_by_text("summary", exact=True).click()
        page.get_by_role("heading", name="Where it is").wait_for()
        heads = page.locator("h1, h2").all_inner_texts()
        order = ["Promoted", "Data", "Training", "Evaluation", "Merge", "Where it is"]
        assert [head for head in heads if head in order] == order
        assert page.get_by_alt_text("Loss by optimizer step").evaluate("one => one.naturalWidth") > 500
        page.set_viewport_size({"width": 1400, "height": 2030})  # down to where the path of the report begins
        page.screenshot(path=pictures / "prefect-summary.png")
        with page.expect_popup() as opened:
            page.get_by_role("link", name="support-assistant version 1").click()
        version = opened.value
        version.get_by_text("champion").first.wait_for()
        version.set_viewport_size({"width": 1400, "height": 1000})
        version.screenshot(path=pictures / "mlflow-version.png")
        browser.close()
    assert outside == []
    (run,) = house.runs()
    assert run["state_type"] == "COMPLETED"
    assert run["state"]["message"] == "Promoted: Ann said yes: Read ten of its replies."
    (event,) = house.command("models", "--history")["events"]
    assert (event["kind"], event["who"], event["why"]) == ("promoted", "Ann", "Read ten of its replies.")


def test_two_who_start_it_at_once_get_one_training_though_the_worker_is_killed(house: House) -> None:
    trained = len(list((house.workspace / "store" / "adapter_training").glob("*")))
    lines = (house.logs / "2026-07.jsonl").read_bytes().splitlines(keepends=True)
    (house.logs / "2026-07.jsonl").write_bytes(b"".join(lines[:-1]))
    known = {run["id"] for run in house.runs()}
    stored = house.prefect("deployments/filter", flows={"name": {"any_": ["retrain"]}})[0]["parameters"][
        "settings"
    ]
    parameters = {"settings": stored | {"gate": stored["gate"] | {"mode": "never"}}}
    for _ in range(2):
        house.prefect(f"deployments/{house.deployment('retrain')}/create_flow_run", parameters=parameters)

    def started() -> list[Json]:
        ours = [run for run in house.runs() if run["id"] not in known]
        return [run for run in ours if run["parameters"]["settings"]["gate"]["mode"] == "never"]

    house.wait(lambda: any(run["state_type"] == "RUNNING" for run in started()))
    worker = house.service("worker")
    os.kill(worker.pid, signal.SIGKILL)
    house.wait(lambda: len(started()) == 2 and all(run["state_type"] in ENDED for run in started()))
    assert house.service("worker").pid != worker.pid
    messages = sorted(run["state"]["message"] for run in started())
    assert messages[0].startswith("Not promoted: ")
    assert messages[1].startswith("Nothing to do: Nothing is new")
    for run in started():
        printed = house.workspace / "runs" / run["name"].rpartition(" ")[2] / "output.log"
        assert "Task run 'assembly'" in printed.read_text()
    assert len(list((house.workspace / "store" / "adapter_training").glob("*"))) == trained + 1


def test_services_whose_supervisor_was_killed_are_gone_and_can_be_started_again(house: House) -> None:
    supervisor = house.service("worker").parent()
    assert supervisor is not None
    services = supervisor.children(recursive=True)
    supervisor.kill()
    psutil.wait_procs(services, timeout=10)
    assert [one for one in services if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert house.command("up")["status"] == "up"


def test_down_leaves_no_process(house: House) -> None:
    pids = [one["pid"] for one in house.command("status")["services"]]
    family = [
        child
        for pid in pids
        for child in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    ]
    orphan = subprocess.Popen(
        ["sleep", "600"], env={**os.environ, HERE: str(house.workspace), RUN: "lost its worker"}
    )
    family.append(psutil.Process(orphan.pid))
    assert house.command("down")["were_up"]
    psutil.wait_procs(family, timeout=5)
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert house.command("status")["status"] == "down"
    assert json.loads(freshtune("down", "--json", workspace=house.workspace).stdout)["were_up"] is False
