"""The doors: exit codes, one sentence with its cure, no traceback, nothing half-written."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journeys import BASE, ROOT, freshtune, plain_environment, small_logs

COMMANDS = ["run", "plan", "sweep", "check", "doctor", "runs", "show", "models", "ask"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_json(command: str) -> None:
    from click.testing import CliRunner

    from deployments.cli import cli

    said = CliRunner().invoke(cli, [command, "--help"]).output
    assert f"Example:\n    freshtune {command}" in said
    assert "--json" in said


def test_help_imports_neither_torch_nor_prefect() -> None:
    code = "import sys; sys.argv = ['freshtune', '--help']\nfrom deployments.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'prefect', 'mlflow', 'great_expectations', 'transformers', 'pyarrow', 'numpy'} & set(sys.modules)))"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert time.monotonic() - began < 5  # 0.2 s on a quiet machine


def test_a_bare_call_shows_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout


def test_a_bug_keeps_its_traceback_in_the_workspace(tmp_path: Path) -> None:
    code = "import sys; from deployments import cli; cli.list_runs = None; sys.argv[1:] = ['runs', '--workspace', sys.argv[1]]; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (kept,) = tmp_path.glob("logs/bug-*.txt")
    assert "'NoneType' object is not callable" in kept.read_text()


FAULTS = {
    "settings": (["run", "demo", "--set", "training.epochs=0"], 2, "SettingsError"),
    "option": (["run", "--no-such-option"], 2, "SettingsError"),
    "recipe": (["run", "no-such-recipe"], 2, "SettingsError"),
    "run": (["show", "2020"], 2, "SettingsError"),
    "missing": (["run", "demo", "--logs", "no-such-file.jsonl"], 3, "DataError"),
    "empty": (["check", "demo", "--logs", "{here}/empty.jsonl"], 3, "DataError"),
    "shape": (["check", "demo", "--logs", "{here}/shape.jsonl"], 3, "DataError"),
    "few": (["check", "demo", "--logs", "{here}/few.jsonl"], 3, "DataError"),
    "base": (["run", "demo", "--set", "model.base=/no/such/base"], 4, "ModelError"),
    "no base": (["run", "guide", "--logs", "{here}/few.jsonl"], 4, "ModelError"),
    "mlflow": (["models"], 6, "ServiceError"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_users_mistake_is_one_sentence_with_its_cure(
    name: str, fresh_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "shape.jsonl").write_text('{"ticket": 1, "text": "secret words"}\n')
    (tmp_path / "few.jsonl").write_bytes(
        b"".join(small_logs(tmp_path)[0].read_bytes().splitlines(keepends=True)[:40])
    )
    arguments, code, kind = FAULTS[name]
    if name == "mlflow":
        monkeypatch.setattr("journeys.plain_environment", lambda: {**plain_environment(), **AWAY})
    done = freshtune(*(one.format(here=tmp_path) for one in arguments), "--json", workspace=fresh_workspace)
    assert done.returncode == code, done.stderr
    told = json.loads(done.stdout)
    assert (told["schema"], told["status"], told["error"]["type"]) == (1, "failed", kind)
    assert told["error"]["cure"]
    assert "Traceback" not in done.stderr + done.stdout
    assert "secret words" not in done.stderr + done.stdout
    assert not list(fresh_workspace.glob("drafts/*"))
    assert not list(fresh_workspace.glob("logs/bug-*"))


AWAY = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def test_runs_are_listed_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    for name, text in (
        ("20260101-000000-aaaa", '{"status": "promoted", "reason": "it is better"}'),
        ("20260102-000000-bbbb", "{"),
        ("20260102-000000-cccc", "[1]"),
        ("20260102-000000-dddd", '{"status": "promoted", "reason": null}'),
    ):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "outcome.json").write_text(text)
    (tmp_path / "runs" / "20260103-000000-cccc").mkdir()
    found = json.loads(freshtune("runs", "--json", workspace=tmp_path).stdout)["runs"]
    assert [one["status"] for one in found] == ["unfinished", *["unreadable"] * 3, "promoted"]
    assert freshtune("show", "20260101", workspace=tmp_path).stdout.startswith("promoted")
    assert freshtune("show", "../runs/20260101-000000-aaaa", workspace=tmp_path).returncode == 2


def test_the_doctor_finds_this_machine_well(tmp_path: Path) -> None:
    done = freshtune("doctor", "--json", "--set", f"model.base={BASE}", workspace=tmp_path)
    findings = {one["what"]: one for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert findings["4-bit"]["state"] == "ok"
    assert findings["base"]["found"].startswith("llama")


def test_the_doctor_finds_a_broken_base(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    done = freshtune("doctor", "--set", f"model.base={tmp_path / 'base'}", workspace=tmp_path)
    assert done.returncode == 4
    assert "config.json is missing" in done.stdout


def test_a_plan_of_nothing_makes_nothing_and_says_what_would_run(tmp_path: Path) -> None:
    workspace = tmp_path / "none"
    logs = [part for path in small_logs(tmp_path / "logs") for part in ("--logs", str(path))]
    done = freshtune("plan", "demo", "--json", "--on", "24", *logs, workspace=workspace)
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)
    assert not workspace.exists()
    assert planned["status"] == "planned"
    assert {one["fate"] for one in planned["parts"]} == {"run"}
    assert planned["steps"][0]["name"] == "collection"
    assert 200 < planned["rows"]["in"] < 320
    assert planned["time"]["least"] <= planned["time"]["seconds"] <= planned["time"]["most"]
    here, other = planned["memory"]
    assert here["kind"] == "cpu"
    assert 0 < here["needed"] < here["free"]
    assert (other["device"], other["kind"]) == ("24", "cuda")


def test_an_exact_plan_knows_what_the_data_give_and_leaves_nothing(tmp_path: Path) -> None:
    workspace = tmp_path / "none"
    logs = [part for path in small_logs(tmp_path / "logs") for part in ("--logs", str(path))]
    asked = ("plan", "demo", "--json", "--exact", *logs)
    done = freshtune(*asked, "--set", "worth.min_new_rows=1", workspace=workspace)
    assert (done.returncode, done.stderr) == (0, "")
    planned = json.loads(done.stdout)
    assert not workspace.exists()
    assert planned["rows"] == planned["rows"] | {"in": 260, "known": True}
    assert {one["fate"] for one in planned["parts"]} == {"run"}, "it is weighed, too"

    done = freshtune(*asked, "--set", "quality.min_examples=9000", workspace=workspace)
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["message"].startswith("A run would stop at assembly: Only ")
    assert "9000" in error["message"]
    assert not workspace.exists()


def test_a_plan_refuses_what_a_run_refuses(tmp_path: Path) -> None:
    done = freshtune("plan", "demo", "--json", "--logs", "nowhere.jsonl", workspace=tmp_path / "none")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["type"] == "DataError"
    done = freshtune("plan", "demo", "--on", "abacus", workspace=tmp_path / "none")
    assert done.returncode == 2
    assert "No GPU is known as abacus" in done.stderr
    assert not (tmp_path / "none").exists()
