"""Services on their own, as containers run them: told by the environment, listening elsewhere than clients ask, and one run."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from journeys import ROOT, freshtune, plain_environment
from mlflow_server import free_port

from deployments.operating_commands import DESCRIBED
from deployments.services.supervising import PATIENCE as GRACE

PATIENCE = 420  # seconds, on a machine that does other things too
DOOR = ("ann", "word-of-the-test")
HEALTH = {"prefect": "api/health", "mlflow": "health"}
COMMAND = (sys.executable, "-m", "deployments.cli")
Json = dict[str, Any]


class Alone:
    """Services of a workspace that no supervisor knows."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.ports = {name: free_port() for name in ("prefect", "mlflow")}
        self.started = list[subprocess.Popen[bytes]]()
        self.environment = {
            "FRESHTUNE_WORKSPACE": str(workspace),
            "PREFECT_API_URL": f"http://localhost:{self.ports['prefect']}/api",
            "PREFECT_API_AUTH_STRING": ":".join(DOOR),
            "MLFLOW_TRACKING_URI": f"http://mlflow.example:{self.ports['mlflow']}",
        }

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.workspace / f"{words[0]}.log").open("wb") as log:
            one = subprocess.Popen(
                [*COMMAND, "service", *words],
                cwd=ROOT,
                env=plain_environment() | self.environment | environment,
                stdout=log,
                stderr=log,
            )
        self.started.append(one)
        return one

    def say(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=ROOT,
            env=plain_environment() | self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def prefect(self, path: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.where('prefect')}/api/{path}", auth=DOOR, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def is_well(self, name: str) -> bool:
        try:
            return httpx.get(f"{self.where(name)}/{HEALTH[name]}", auth=DOOR, timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def where(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"


def wait(met: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.5)
    raise TimeoutError


def end(service: subprocess.Popen[bytes]) -> None:
    """Wait for a service that was told to end; say it again as supervisors do, since Prefect's worker hangs on the first word at times."""
    try:
        service.wait(GRACE["worker"])
    except subprocess.TimeoutExpired:
        service.terminate()
        service.wait(PATIENCE)


@pytest.fixture(scope="module")
def alone(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    place = tmp_path_factory.mktemp("alone")
    (place / "prefect").mkdir()
    (place / "prefect" / "prefect.db").write_bytes(migrated.read_bytes())
    made = Alone(place)
    try:
        for name in made.ports:
            made.start(name, "--host", "127.0.0.1")
        wait(lambda: all(made.is_well(name) for name in made.ports))
        yield made
    finally:
        for one in reversed(made.started):  # whoever asks a server ends before it
            family = [one, *psutil.Process(one.pid).children(recursive=True)] if one.poll() is None else []
            for process in family:
                process.terminate()
            end(one)


def test_a_server_on_its_own_lets_in_whoever_its_environment_names_and_nobody_else(alone: Alone) -> None:
    for name in alone.ports:
        assert httpx.get(f"{alone.where(name)}/{HEALTH[name]}").status_code == 401
        assert (
            httpx.get(f"{alone.where(name)}/{HEALTH[name]}", auth=("freshtune", DOOR[1])).status_code == 401
        )
    assert not (alone.workspace / "services" / "addresses.json").exists()


def test_mlflow_answers_to_the_name_that_clients_use_and_to_no_other(alone: Alone) -> None:
    def asked_as(host: str) -> int:
        url = f"{alone.where('mlflow')}/api/2.0/mlflow/experiments/get?experiment_id=0"
        return httpx.get(url, auth=DOOR, headers={"Host": host}, timeout=30).status_code

    port = alone.ports["mlflow"]
    assert asked_as(f"mlflow.example:{port}") == 200
    assert asked_as(f"127.0.0.1:{port}") == 200


def test_a_check_says_whether_the_server_is_well(alone: Alone) -> None:
    check = ("service", "prefect", "--check")
    assert alone.say(*check).returncode == 0
    assert alone.say(*check, PREFECT_API_AUTH_STRING="ann:another-word").returncode == 6
    assert alone.say(*check, PREFECT_API_URL=f"http://localhost:{free_port()}/api").returncode == 6


def test_a_run_that_a_container_was_started_for_is_done_in_its_workspace(alone: Alone) -> None:
    template = json.loads((DESCRIBED.parent / "containers" / "docker-job.json").read_text(encoding="utf-8"))
    alone.prefect("work_pools/", name="gpus", type="docker", base_job_template=template)
    told = alone.say("deploy", "demo", "--pool", "gpus", "--json", MLFLOW_TRACKING_URI=alone.where("mlflow"))
    assert told.returncode == 0, told.stderr
    (made,) = alone.prefect("deployments/filter", flows={"name": {"any_": ["rollback"]}})
    assert made["work_pool_name"] == "gpus"
    parameters = made["parameters"] | {"why": "It is a test."}
    run = alone.prefect(f"deployments/{made['id']}/create_flow_run", parameters=parameters)["id"]
    done = alone.start("run", PREFECT__FLOW_RUN_ID=run, MLFLOW_TRACKING_URI=alone.where("mlflow"))
    done.wait(PATIENCE)
    (ended,) = alone.prefect("flow_runs/filter", flow_runs={"id": {"any_": [run]}})
    assert ended["state"]["type"] == "FAILED"
    assert "There is no version of support-assistant to roll back to" in ended["state"]["message"]
    told = (alone.workspace / "run.log").read_text(encoding="utf-8")
    (copied,) = re.findall(r"Downloading flow code from storage at '(.*)'", told)
    assert list(Path(copied).iterdir()) == []  # Prefect copies the folder that it is started in


def test_a_worker_and_a_watcher_on_their_own_do_their_work(alone: Alone) -> None:
    for name in ("worker", "watcher"):
        alone.start(name, MLFLOW_TRACKING_URI=alone.where("mlflow"))
    wait((alone.workspace / "services" / "watched.json").exists)
    wait(lambda: [one["name"] for one in alone.prefect("work_pools/filter")].count("freshtune"))
    (worker,) = wait(lambda: alone.prefect("work_pools/freshtune/workers/filter"))
    assert worker["status"] == "ONLINE"


def test_what_a_service_is_not_told_is_listed_at_once(tmp_path: Path) -> None:
    said = freshtune("service", "worker", workspace=tmp_path)
    assert said.returncode == 2
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_URI"):
        assert f"{name} is missing" in said.stderr
    assert list(tmp_path.iterdir()) == []
    assert freshtune("service", "worker", "--check", workspace=tmp_path).returncode == 2
