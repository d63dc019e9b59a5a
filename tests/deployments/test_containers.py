"""The files for containers keep their promises, as far as that can be told without an engine or a cluster.

With prefect-docker, prefect-kubernetes, kubernetes-validate or compose-spec installed, their own models are asked too.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from click.testing import CliRunner
from docker.models.containers import _create_container_args
from docker.utils.build import exclude_paths
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.workers.base import BaseJobConfiguration

from deployments.cli import cli
from tasks.core.operating.addresses import told_addresses

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "deployments" / "containers"
USER = 10001
WORKSPACE = "/workspace"
PINNED = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?-[\w-]*bookworm")
Json = dict[str, Any]


def instructions() -> list[tuple[str, str]]:
    """Give every instruction of the Dockerfile with its arguments; continued lines are one."""
    text = re.sub(
        r"^\s*#.*\n", "", (CONTAINERS / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def arguments(word: str) -> list[str]:
    return [rest for one, rest in instructions() if one == word]


@pytest.fixture
def compose() -> Json:
    read: Json = yaml.safe_load((CONTAINERS / "compose.yaml").read_text(encoding="utf-8"))
    return read


def template(kind: str) -> Json:
    read: Json = json.loads((CONTAINERS / f"{kind}-job.json").read_text(encoding="utf-8"))
    return read


class NobodyAsked:
    """A client of Prefect for templates that name neither blocks nor variables: it can do nothing."""


def configured(kind: type[BaseJobConfiguration], read: Json, **values: Any) -> Any:
    """Give what a worker makes of a template for a run."""
    made = asyncio.run(kind.from_template_and_values(read, values, client=NobodyAsked()))  # type: ignore[arg-type]
    made.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="support-assistant 2026-11-26"))
    return made


def test_the_image_is_pinned_and_belongs_to_a_user_who_can_change_the_workspace_only() -> None:
    (base,) = arguments("FROM")
    assert PINNED.fullmatch(base)
    assert arguments("USER") == [f"{USER}:{USER}"]
    words = [word for word, _ in instructions()]
    after = words[words.index("USER") :]
    assert not {"RUN", "COPY", "ADD"} & set(after)
    assert json.loads(arguments("VOLUME")[0]) == [WORKSPACE]
    assert json.loads(arguments("ENTRYPOINT")[0]) == ["freshtune"]
    owned = [rest for rest in arguments("RUN") if "--owner" in rest or "chown" in rest or "chmod" in rest]
    assert [re.findall(r"(?<=\s)/\S+", rest) for rest in owned] == [[WORKSPACE]]
    assert not [rest for rest in arguments("COPY") if "--chown" in rest or "--chmod" in rest]


def test_the_image_is_installed_with_the_known_versions_and_holds_no_secret() -> None:
    installs = [part for rest in arguments("RUN") for part in rest.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert all("-c constraints.txt" in part or "--no-deps" in part for part in installs)
    names = re.findall(r"(\w+)(?==|$)", " ".join(arguments("ENV") + arguments("ARG")))
    assert names
    assert not [name for name in names if re.search("PASSWORD|SECRET|TOKEN|KEY|AUTH|API_URL", name)]


def test_only_what_the_image_needs_goes_to_its_builder(tmp_path: Path) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    for name in (
        ".git/config",
        ".venv/bin/python",
        ".freshtune/tombstones.jsonl",
        ".env",
        "deployments/containers/.env",
        "flows/__pycache__/a.pyc",
        "mlruns/0/meta.yaml",
        "tests/conftest.py",
        "tests/data/support_logs/a.jsonl",
        "flows/retrain.py",
        "pyproject.toml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sent = {path for path in exclude_paths(str(tmp_path), patterns) if (tmp_path / path).is_file()}
    assert sent == {"tests/data/support_logs/a.jsonl", "flows/retrain.py", "pyproject.toml"}
    copied = [name for rest in arguments("COPY") for name in rest.split()[:-1]]
    real = exclude_paths(str(ROOT), patterns, dockerfile="deployments/containers/Dockerfile")
    assert {name for name in copied if name != "."} <= real


def test_each_service_of_up_is_a_container_of_the_one_image_with_the_workspace(compose: Json) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "prefect", "mlflow", "worker", "watcher"}
    database = services.pop("postgres")
    assert PINNED.fullmatch(database["image"])
    for name, one in services.items():
        assert one["command"][:2] == ["service", name]
        assert one["volumes"] == [f"workspace:{WORKSPACE}"]
        assert one["cap_drop"] == ["ALL"]
        assert (CONTAINERS / one["build"]["context"]).resolve() == ROOT
        assert (ROOT / one["build"]["dockerfile"]).samefile(CONTAINERS / "Dockerfile")
        options = [word for word in one["command"] if word.startswith("--")]
        said = CliRunner().invoke(cli, ["service", "--help"]).output
        assert all(option in said for option in options)
    assert len({one["image"] for one in services.values()}) == 1
    assert {one["restart"] for one in [database, *services.values()]} == {"unless-stopped"}
    used = {place.partition(":")[0] for one in [database, *services.values()] for place in one["volumes"]}
    assert used == set(compose["volumes"])


def test_ports_are_for_this_machine_only_and_lead_to_where_clients_find_the_servers(compose: Json) -> None:
    ports = {name: one["ports"] for name, one in compose["services"].items() if "ports" in one}
    assert set(ports) == {"prefect", "mlflow"}
    for one in compose["services"].values():
        if "command" not in one:
            continue
        told = told_addresses(
            {name: re.sub(r"\$\{.*\}", "word", text) for name, text in one["environment"].items()}
        )
        assert {"prefect": told.prefect, "mlflow": told.mlflow} == {
            name: f"http://{name}:{where.rpartition(':')[2]}" for name, (where,) in ports.items()
        }
    assert all(where.startswith("127.0.0.1:") for (where,) in ports.values())


def test_who_waits_for_a_server_waits_until_it_is_well(compose: Json) -> None:
    services = compose["services"]
    waits = {name: set(one.get("depends_on", ())) for name, one in services.items()}
    both = {"prefect", "mlflow"}
    assert waits == {
        "postgres": set(),
        "prefect": {"postgres"},
        "mlflow": {"postgres"},
        "worker": both,
        "watcher": both,
    }
    for one in services.values():
        for name, how in one.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert services[name]["healthcheck"]["test"][0] == "CMD"
    for name in both:
        assert services[name]["healthcheck"]["test"][1:] == ["freshtune", "service", name, "--check"]


def test_no_credential_is_written_down_and_every_one_must_be_chosen() -> None:
    text = (CONTAINERS / "compose.yaml").read_text(encoding="utf-8")
    example = (CONTAINERS / ".env.example").read_text(encoding="utf-8")
    known = dict(line.split("=") for line in example.splitlines() if line and not line.startswith("#"))
    asked = dict(re.findall(r"\$\{(\w+)(:[?-])", text))
    assert set(asked) == set(known)
    assert not any(known.values())
    assert {name for name, mark in asked.items() if mark == ":?"} == {
        "FRESHTUNE_PASSWORD",
        "POSTGRES_PASSWORD",
    }
    secrets = re.findall(r"(?:PASSWORD|AUTH_STRING|KEY|POSTGRES): (.*)", text)
    assert len(secrets) >= 4
    assert all("${" in secret for secret in secrets)


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_job_template_uses_every_variable_that_it_has_and_no_other(kind: str) -> None:
    read = template(kind)
    WorkPoolCreate(name="pool", type=kind, base_job_template=read)  # Prefect's own look at it
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(read["job_configuration"])))
    assert used == set(read["variables"]["properties"])
    ours = read["variables"]["properties"]["command"]["default"].split()
    assert CliRunner().invoke(cli, [*ours, "--help"]).exit_code == 0


def test_a_docker_job_asks_for_gpus_in_the_network_and_workspace_of_compose(compose: Json) -> None:
    made = configured(BaseJobConfiguration, template("docker"))
    assert made.env["PREFECT_API_URL"] == compose["services"]["worker"]["environment"]["PREFECT_API_URL"]
    assert (
        made.env["MLFLOW_TRACKING_URI"] == compose["services"]["worker"]["environment"]["MLFLOW_TRACKING_URI"]
    )
    assert not {"PREFECT_HOME", "PREFECT_LOCAL_STORAGE_PATH"} & set(made.env)
    defaults = {
        name: one.get("default") for name, one in template("docker")["variables"]["properties"].items()
    }
    assert defaults["image"] == compose["services"]["worker"]["image"]
    assert defaults["networks"] == [f"{compose['name']}_default"]
    assert defaults["volumes"] == [f"{compose['name']}_workspace:{WORKSPACE}"]
    asked = template("docker")["job_configuration"]["container_create_kwargs"]
    asked |= {name: defaults[name] for name in ("image", "command", "shm_size", "device_requests")}
    host = _create_container_args({**asked, "version": "1.50"})["host_config"]
    (devices,) = host["DeviceRequests"]
    assert (devices["Driver"], devices["Count"], devices["Capabilities"]) == ("nvidia", -1, [["gpu"]])
    assert (host["CapDrop"], host["ShmSize"]) == (["ALL"], 2**31)
    assert asked["user"] == f"{USER}:{USER}"


def test_a_kubernetes_job_asks_for_a_gpu_and_has_no_right_that_it_does_not_need() -> None:
    job = template("kubernetes")["job_configuration"]["job_manifest"]["spec"]
    pod = job["template"]["spec"]
    assert (job["parallelism"], job["completions"]) == (1, 1)
    assert not {"parallelism", "completions"} & set(pod)  # strict validation knows them of a job only
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {pod["securityContext"][name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {USER}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpus }}"
    assert template("kubernetes")["variables"]["properties"]["gpus"]["default"] == "1"
    assert container["envFrom"] == [{"secretRef": {"name": "{{ secret }}"}}]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    claims = {
        one["name"]: one["persistentVolumeClaim"] for one in pod["volumes"] if "persistentVolumeClaim" in one
    }
    assert [mounts[name] for name in claims] == [WORKSPACE]


def test_the_credentials_of_a_kubernetes_worker_are_not_in_the_jobs_that_it_makes() -> None:
    from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

    with temporary_settings({PREFECT_API_AUTH_STRING: "freshtune:word-of-the-worker"}):
        assert "word-of-the-worker" in json.dumps(configured(BaseJobConfiguration, template("docker")).env)
        made = configured(BaseJobConfiguration, template("kubernetes"))
    assert "word-of-the-worker" not in json.dumps(made.env)
    assert "PREFECT__FLOW_RUN_ID" in made.env


def test_prefect_docker_takes_its_template() -> None:
    worker = pytest.importorskip("prefect_docker.worker")
    made = configured(worker.DockerWorkerJobConfiguration, template("docker"))
    assert made.command == "service run"
    assert made.container_create_kwargs["device_requests"][0]["driver"] == "nvidia"
    alone = configured(worker.DockerWorkerJobConfiguration, template("docker"), device_requests=[])
    assert alone.container_create_kwargs["device_requests"] == []


def test_prefect_kubernetes_makes_a_manifest_that_is_strictly_valid() -> None:
    worker = pytest.importorskip("prefect_kubernetes.worker")
    strict = pytest.importorskip("kubernetes_validate")
    made = configured(worker.KubernetesWorkerJobConfiguration, template("kubernetes"), gpus="2")
    (container,) = made.job_manifest["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["service", "run"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    strict.validate(made.job_manifest, strict.latest_version(), strict=True)
    made.job_manifest["spec"]["template"]["spec"]["parallelism"] = 1
    with pytest.raises(strict.ValidationError, match="parallelism"):
        strict.validate(made.job_manifest, strict.latest_version(), strict=True)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_compose_files_are_of_the_specification(name: str) -> None:
    specification = pytest.importorskip("compose_spec")
    read = yaml.safe_load((CONTAINERS / name).read_text(encoding="utf-8"))
    specification.PyCompose.from_json(json.dumps(read)).validate()
    read["services"]["worker"]["healthchek"] = {}
    with pytest.raises(ValueError, match="healthchek"):
        specification.PyCompose.from_json(json.dumps(read)).validate()
