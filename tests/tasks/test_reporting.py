"""A run's record says what happened, also when MLflow or Prefect went away at the end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks import announcing, summarizing
from tasks.core.errors import DataError, ServiceError
from tasks.core.receipts import (
    Adapter,
    BaseModel,
    Decision,
    Promotion,
    RawLogs,
    RegisteredModel,
    Worth,
)
from tasks.core.report.summary import RunSummary
from tasks.core.settings import Settings
from tasks.journal import JOURNAL, Journal, StepRun
from tasks.reporting import recorded
from tasks.summarizing import Run, _warnings, verdict_of


@pytest.fixture
def followed() -> Iterator[Journal]:
    fresh = Journal()
    token = JOURNAL.set(fresh)
    yield fresh
    JOURNAL.reset(token)


def receipts(
    outcome: Any = "promote", *, moved: bool = True, waits: bool = False, reason: str = "It is better."
) -> list[Any]:
    return [
        Adapter(path="adapter", digest="a", adapter_digest="a", base_digest="b"),
        BaseModel(path="base", digest="b", identity="the base"),
        RegisteredModel(path="r", digest="r", name="m", version=2, run_id="run", content_key="c"),
        Decision(path="d", digest="d", outcome=outcome, reason="The gate's words.", gains={}, rival=1),
        Promotion(path="p", digest="p", moved=moved, waits=waits, version=2, replaced=1, reason=reason),
    ]


@pytest.mark.parametrize(
    ("made", "cached", "status", "reason"),
    [
        (receipts(), False, "promoted", "It is better."),
        (receipts(), True, "skipped", "Nothing is new: version 2 is champion already."),
        (receipts(moved=False, reason="A person chose."), False, "kept", "A person chose."),
        (receipts(moved=False, reason="A person chose."), True, "skipped", "Nothing is new: A person chose."),
        (receipts("ask", moved=False, waits=True, reason="Asked."), False, "awaiting-approval", "Asked."),
        (receipts("ask", moved=False, reason="Ann said no."), False, "kept", "Ann said no."),
        (receipts("keep", moved=False, reason="A tie."), False, "kept", "A tie."),
    ],
)
def test_the_verdict_is_that_of_the_promotion(
    made: list[Any], cached: bool, status: str, reason: str, tmp_path: Path, followed: Journal
) -> None:
    followed.receipts += made
    followed.steps.append(StepRun("promotion", "Completed", cached, 0.1))
    assert verdict_of(Run(Settings(workspace=tmp_path), "run", followed)) == (status, reason)


def test_a_training_that_is_not_worth_it_is_skipped_with_its_reason(
    tmp_path: Path, followed: Journal
) -> None:
    run = Run(Settings(workspace=tmp_path), "run", followed)
    followed.receipts.append(Worth(path="w", digest="w", train=False, reason="Skip, because."))
    assert verdict_of(run) == ("skipped", "Skip, because.")
    followed.receipts[:] = [Worth(path="w", digest="w", train=True, reason="Train."), *receipts()]
    followed.steps.append(StepRun("promotion", "Completed", cached=False, seconds=0.1))
    assert verdict_of(run) == ("promoted", "It is better.")


def test_what_was_noted_in_training_is_a_warning_of_every_run_with_that_adapter(
    tmp_path: Path, followed: Journal
) -> None:
    made = receipts()
    made[0] = made[0].model_copy(update={"training": {"notes": ["The loss did not fall."]}})
    followed.receipts += made
    followed.warnings.append("A record was torn.")
    assert _warnings(Run(Settings(workspace=tmp_path), "run", followed)) == [
        "A record was torn.",
        "The loss did not fall.",
    ]


def test_a_promoted_run_is_recorded_when_mlflow_and_prefect_go_away(
    tmp_path: Path, followed: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: Any, **_options: Any) -> None:
        raise ServiceError("MLflow is away.", cure="Start it.")

    def gone(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("the server went away")

    monkeypatch.setattr(summarizing, "open_registry", away)
    monkeypatch.setattr(announcing, "open_registry", away)
    monkeypatch.setattr(announcing, "create_markdown_artifact", gone)
    (tmp_path / "adapter").mkdir()
    step = {
        "step": 1,
        "steps": 1,
        "loss": 2.0,
        "learning_rate": 0.1,
        "gradient_norm": 1.0,
        "tokens": 5,
        "seconds": 1.0,
    }
    (tmp_path / "adapter" / "metrics.jsonl").write_text(json.dumps(step) + "\n")
    with recorded(Settings(workspace=tmp_path)) as run:
        followed.receipts += receipts()
        followed.steps.append(StepRun("promotion", "Completed", cached=False, seconds=0.1))
    told = json.loads((run.folder / "outcome.json").read_bytes())
    assert told == run.outcome
    assert (told["status"], told["model"]["version"], told["model"]["aliases"]) == (
        "promoted",
        2,
        ["champion"],
    )
    (warning,) = (one for one in told["warnings"] if "run's own receipts" in one)
    assert told["cures"][warning] == "Start it."
    assert "<b>What to do:</b> Start it." in (run.folder / "report.html").read_text()
    assert (run.folder / "report.html").exists()


def test_the_error_that_ended_a_run_knows_what_the_run_left(tmp_path: Path, followed: Journal) -> None:
    followed.receipts.append(
        RawLogs(path="raw", digest="r", counts={"in": 9, "kept": 7, "quarantined": 2}, made_from={})
    )
    with pytest.raises(DataError) as ended, recorded(Settings(workspace=tmp_path)):
        raise DataError("Too few.", cure="Give more.")
    told = ended.value.record
    assert told is not None
    assert (told["status"], told["rows"]["kept"]) == ("failed", 7)
    assert Path(told["report"]).is_file()


def test_what_is_sent_or_shared_names_no_path(tmp_path: Path, followed: Journal) -> None:
    settings = Settings(
        workspace=tmp_path / "of-a-person",
        logs={"paths": ("/srv/acme/logs.jsonl",)},  # type: ignore[arg-type]
        quality={"suites": "/srv/acme/suites"},  # type: ignore[arg-type]
        evaluation={"golden": "/srv/acme/golden.yaml"},  # type: ignore[arg-type]
        judge={"url": "https://judge.acme.example/v1", "model": "m"},  # type: ignore[arg-type]
    )
    followed.parts["x"] = "acme.jsonl"
    with recorded(settings) as run:
        followed.steps.append(StepRun("cleaning", "Completed", cached=False, seconds=0.1, part="acme.jsonl"))

    assert "logs:" in (run.folder / "public_settings.yaml").read_text()
    for name in ("public_settings.yaml", "public_report.html"):
        text = (run.folder / name).read_text()
        assert "acme" not in text
        assert "of-a-person" not in text
    assert "acme" in (run.folder / "settings.yaml").read_text()


def test_gains_are_sent_with_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}

    class Remembering:
        def log_files(self, _run_id: str, path: Path, _place: str) -> None:
            sent[path.name] = None

        def log_metrics(self, _run_id: str, rows: list[tuple[str, float, int]]) -> None:
            sent.update({name: value for name, value, _ in rows})

    monkeypatch.setattr(announcing, "open_registry", lambda _workspace: Remembering())
    gains = {"base": {"mean": 1.4, "low": 1.3, "high": 1.5}}
    summary = RunSummary("promoted", "why", "run", "now", 1.0, gains=gains)
    announcing.send_report(tmp_path, "mlflow run", tmp_path, summary)
    assert sent["gain_over_base/low"] == 1.3
    assert "public_settings.yaml" in sent
    assert "settings.yaml" not in sent


def test_a_run_is_named_beforehand_once(tmp_path: Path, followed: Journal) -> None:
    followed.run_id = "20260101-000000-aaaa"
    for _ in range(2):
        with recorded(Settings(workspace=tmp_path)):
            pass
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(names) == 2
    assert names[0] == "20260101-000000-aaaa"


@pytest.mark.parametrize(
    ("status", "held", "sent"),
    [("promoted", True, 4), ("kept", False, 4), ("skipped", False, 4), ("skipped", True, 0)],
)
def test_the_report_is_sent_whenever_mlflow_has_none(
    status: str, held: bool, sent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[str] = []

    class Remembering:
        def holds(self, _run_id: str, _place: str) -> bool:
            return held

        def log_files(self, _run_id: str, path: Path, _place: str) -> None:
            files.append(path.name)

    monkeypatch.setattr(announcing, "open_registry", lambda _workspace: Remembering())
    announcing.send_report(tmp_path, "run", tmp_path, RunSummary(status, "why", "run", "now", 1.0))
    assert len(files) == sent
