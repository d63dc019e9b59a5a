"""How a command ends: one JSON object, the exit code of what is so now, and no second traceback."""

import json
import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from click.testing import CliRunner

from deployments.cli import cli
from deployments.printing import fail, keep_traceback
from flows.environment import prepare
from flows.own_server import ADDRESS, LOG, is_own_server, must_set_up, start_own_server
from tasks.core.errors import ModelError, ServiceError, SettingsError
from tasks.core.settings import LoraSettings, ModelSettings, Settings

ENDINGS = [
    ("promoted", ["champion"], 0),
    ("skipped", ["champion"], 0),
    ("kept", ["champion"], 0),
    ("skipped", [], 5),
    ("kept", [], 5),
    ("awaiting-approval", ["old"], 5),
]


@pytest.mark.parametrize(("status", "aliases", "code"), ENDINGS)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_required_promotion_is_decided_by_the_alias(
    as_json: bool, status: str, aliases: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "summary.txt").write_text("the summary")
    outcome = {"schema": 1, "status": status, "reason": "Because.", "run_dir": str(tmp_path)}
    monkeypatch.setattr("flows.preflight.look_first", lambda *_, **__: None)
    monkeypatch.setattr("flows.environment.prepare", lambda _workspace: None)
    monkeypatch.setattr("flows.own_server.start_own_server", lambda _workspace: None)
    monkeypatch.setattr(
        "flows.running.run_retrain", lambda _settings, _tell: {**outcome, "model": {"aliases": aliases}}
    )
    words = [
        "run",
        "demo",
        "--require-promotion",
        "--workspace",
        str(tmp_path),
        *(["--json"] if as_json else []),
    ]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code
    if as_json:
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["status"] == status
        assert told.get("error", {}).get("type") == ("BelowBar" if code else None)
    else:
        assert done.stdout == "the summary\n"
    assert ("is not champion: Because." in done.stderr) == bool(code)


def test_a_run_with_a_server_of_others_starts_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert must_set_up(tmp_path)
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:4200/api")
    assert not must_set_up(tmp_path)
    start_own_server(tmp_path)
    assert not (tmp_path / LOG).exists()
    assert not is_own_server("http://127.0.0.1:4200/api")


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/freshtune"])
def test_a_workspace_that_cannot_be_one_is_a_mistake_in_the_settings(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be the workspace"):
        prepare(tmp_path / place)


def test_a_bug_in_a_place_that_cannot_be_written_keeps_its_traceback_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    try:
        raise KeyError("the bug")
    except KeyError:
        kept = keep_traceback(tmp_path / "file" / "logs")
    assert "the bug" in kept.read_text()


@pytest.mark.parametrize("fault", ["answer", "start"])
def test_a_prefect_that_is_away_is_a_service_and_told_without_its_password(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import running

    class Client:
        def __enter__(self) -> "Client":
            if fault == "start":
                raise RuntimeError("Timed out while attempting to connect")
            return self

        def __exit__(self, *_: object) -> None:
            """Close nothing."""

        def api_healthcheck(self) -> Exception:
            return ConnectionError("refused")

    monkeypatch.setenv("PREFECT_API_URL", "http://me:hidden@127.0.0.1:9/api")
    monkeypatch.setattr(running, "get_client", lambda **_: Client())
    with pytest.raises(ServiceError, match=r"Prefect at 127\.0\.0\.1:9 does not answer") as caught:
        running.run_retrain(Settings(workspace=tmp_path), lambda _step: None)
    assert "hidden" not in str(caught.value)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(("away", "kind"), [(True, ServiceError), (False, KeyError)])
def test_a_prefect_that_went_away_is_not_a_bug_and_a_bug_is(
    away: bool, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import running

    answers = iter([None, ServiceError("Prefect is away.", cure="Start it.") if away else None])

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("what its client raised")

    monkeypatch.setattr(running, "_prefect_away", lambda: next(answers))
    monkeypatch.setattr(running, "retrain", fail)
    with pytest.raises(kind):
        running.run_retrain(Settings(workspace=tmp_path), lambda _step: None)


def test_a_run_that_fails_at_once_leaves_nothing_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import running

    loaded, failed = Event(), Event()

    def load() -> None:
        failed.wait(10)
        time.sleep(0.2)
        loaded.set()

    def fail(*_: Any, **__: Any) -> None:
        failed.set()
        raise SettingsError("No such file.", cure="Give one.")

    monkeypatch.setattr(running, "is_own_server", lambda _address: True)
    monkeypatch.setattr(running, "_prefect_away", lambda: None)
    monkeypatch.setattr(running, "load_early", load)
    monkeypatch.setattr(running, "retrain", fail)
    with pytest.raises(SettingsError):
        running.run_retrain(Settings(workspace=tmp_path), lambda _step: None)
    assert loaded.is_set(), "as its process ends no library can be imported"


def test_what_a_run_depends_on_is_settled_before_any_key_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from flows.recorded_runs import settled

    monkeypatch.chdir(tmp_path)
    settings = Settings(workspace=Path("relative"))
    assert settings.workspace == tmp_path / "relative"
    assert Settings().workspace == tmp_path / ".freshtune"
    (tmp_path / "cpuinfo").write_text("flags : avx512_bf16\n")
    monkeypatch.setattr("tasks.core.model.devices.CPU_FLAGS", tmp_path / "cpuinfo")
    assert settled(settings).model.dtype == "mixed"
    full = settings.model_copy(update={"lora": LoraSettings(method="full")})
    assert settled(full).model.dtype == "float32"
    monkeypatch.setattr("tasks.core.model.devices.CPU_FLAGS", tmp_path / "missing")
    assert settled(settings).model.dtype == "float32"
    monkeypatch.setattr("tasks.core.model.devices.GPU_NODES", (tmp_path,))
    assert settled(settings).model.dtype == "float32"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert settled(settings).model.dtype == "bfloat16"
    with pytest.raises(ModelError, match="is for CPUs"):
        settled(Settings(model=ModelSettings(dtype="mixed")))
    named = Settings(model=ModelSettings(dtype="float16"))
    assert settled(named) == named


@pytest.mark.parametrize("as_json", [True, False])
def test_a_run_that_failed_says_how_far_its_rows_came_and_where_its_report_is(
    as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    counts = {"in": 200, "kept": 76, "quarantined": 124}
    run = {"schema": 1, "rows": counts, "report": str(tmp_path / "runs" / "report.html"), "status": "failed"}
    with pytest.raises(SystemExit) as ended:
        fail("DataError", "Too many.", "Mend them.", 3, as_json=as_json, run=run)
    assert ended.value.code == 3
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "Error: Too many.",
        "  Mend them.",
        "  rows    76 of 200 rows kept, 124 quarantined",
        "  report  runs/report.html",
    ]
    if as_json:
        told = json.loads(said.out)
        assert (told["rows"], told["reason"], told["error"]["cure"]) == (counts, "Too many.", "Mend them.")
