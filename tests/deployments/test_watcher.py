"""One look of the watcher at all deployments: what is told to Prefect, what waits, and whose trouble is whose."""

from pathlib import Path

import pytest

from deployments.services import watcher
from deployments.services.watcher import look_round, read_looks
from flows import deployed
from flows.deployed import Deployment
from tasks.core.errors import ServiceError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take what is told to Prefect; that its own way works is shown with real servers."""
    names: list[str] = []
    monkeypatch.setattr(watcher, "SETTLED", 0.0)
    monkeypatch.setattr(deployed, "announce_logs", lambda one: names.append(one.name))
    return names


def deploy(monkeypatch: pytest.MonkeyPatch, *every: Deployment) -> None:
    monkeypatch.setattr(deployed, "watched_deployments", lambda: list(every))


def deployment(name: str, logs: str, *, waiting: bool = False, paused: bool = False) -> Deployment:
    return Deployment(name, f"retrain/{name}", name, (logs,), paused=paused, waiting=waiting, next_run=None)


def rounds(workspace: Path, count: int) -> None:
    (workspace / "services").mkdir(exist_ok=True)
    for _ in range(count):
        look_round(workspace, read_looks(workspace))


def test_new_logs_are_told_once_also_after_a_restart(
    told: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deploy(monkeypatch, deployment("a", f"{tmp_path}/*.jsonl"))
    rounds(tmp_path, 2)
    (tmp_path / "new.jsonl").write_text("{}")
    rounds(tmp_path, 4)
    assert told == ["retrain/a"]


@pytest.mark.parametrize("how", ["waiting", "paused"])
def test_where_a_run_waits_or_nobody_wants_one_it_is_told_later(
    told: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    logs = f"{tmp_path}/*.jsonl"
    deploy(monkeypatch, deployment("a", logs, waiting=how == "waiting", paused=how == "paused"))
    rounds(tmp_path, 1)
    (tmp_path / "new.jsonl").write_text("{}")
    rounds(tmp_path, 4)
    assert told == []
    deploy(monkeypatch, deployment("a", logs))
    rounds(tmp_path, 3)
    assert told == ["retrain/a"]


def test_trouble_with_one_stops_no_other(
    told: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = watcher.logs_state

    def state(paths: tuple[str, ...]) -> str:
        if paths[0].startswith("s3://"):
            raise ServiceError("s3://bucket cannot be read.", cure="Check it.")
        return real(paths)

    monkeypatch.setattr(watcher, "logs_state", state)
    deploy(monkeypatch, deployment("a", f"{tmp_path}/*.jsonl"), deployment("b", "s3://bucket/*.jsonl"))
    rounds(tmp_path, 2)
    (tmp_path / "new.jsonl").write_text("{}")
    rounds(tmp_path, 4)
    assert told == ["retrain/a"]
