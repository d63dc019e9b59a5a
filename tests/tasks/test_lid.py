"""The lid keeps what is whole, believes only the manifest, and never lets what is only shown undo what is done."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import Pruned, ServiceError, Stopped
from tasks.core.receipts import RawLogs
from tasks.core.settings import TrainingSettings
from tasks.core.store.artifacts import RECORD, Draft, damage, find
from tasks.journal import JOURNAL, Journal, journal
from tasks.lid import _noted, only_shown, step
from tasks.showing import titled
from tasks.step_identity import identity


@step("toy", RawLogs)
def toy(draft: Draft, text: str) -> RawLogs:
    """Write a text."""
    (draft.folder / "text.txt").write_text(text)
    return draft.seal(RawLogs)


@pytest.fixture(autouse=True)
def followed() -> Iterator[Journal]:
    token = JOURNAL.set(Journal())
    yield journal()
    JOURNAL.reset(token)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RawLogs:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    found: RawLogs = toy.task.fn(tmp_path, "one")
    return found


def record_of(receipt: RawLogs, **changes: Any) -> bytes:
    """Give Prefect's record of a receipt, as it writes it."""
    data = {**receipt.model_dump(mode="json"), **changes}
    return json.dumps({"metadata": {}, "result": json.dumps({"data": data, "class": "x"})}).encode()


@pytest.mark.parametrize("harm", ["torn", "empty", "changed", "other"])
def test_a_record_that_is_torn_or_changed_goes_and_the_artifact_stays(
    harm: str, built: RawLogs, tmp_path: Path, followed: Journal
) -> None:
    whole = record_of(built)
    folder = built.folder(tmp_path)
    (folder / RECORD).write_bytes(
        {"torn": whole[:40], "empty": b"", "changed": record_of(built, digest="forged"), "other": b"[1]"}[
            harm
        ]
    )
    toy.lid.clear_damage(tmp_path, {"text": "one"}, folder.name)
    assert not (folder / RECORD).exists()
    assert damage(folder) == ""
    assert find(tmp_path, "toy", folder.name, RawLogs) == built
    assert "is written again" in followed.warnings[0]
    assert not (tmp_path / "damaged").exists()


def test_a_true_record_stays(built: RawLogs, tmp_path: Path, followed: Journal) -> None:
    record = built.folder(tmp_path) / RECORD
    record.write_bytes(record_of(built))
    toy.lid.clear_damage(tmp_path, {"text": "one"}, record.parent.name)
    assert record.exists()
    assert followed.warnings == []


def test_a_damaged_artifact_is_set_aside_with_its_record(
    built: RawLogs, tmp_path: Path, followed: Journal
) -> None:
    folder = built.folder(tmp_path)
    (folder / RECORD).write_bytes(record_of(built))
    (folder / "text.txt").write_text("two")
    toy.lid.clear_damage(tmp_path, {"text": "one"}, folder.name)
    assert not folder.exists()
    assert "was set aside" in followed.warnings[0]


def test_a_torn_record_costs_no_work(prefect_server: None, workspace: Path, followed: Journal) -> None:
    first = toy(workspace, "kept")
    record = first.folder(workspace) / RECORD
    assert record.exists()
    record.write_bytes(record.read_bytes()[:30])
    made = (first.folder(workspace) / "text.txt").stat().st_mtime_ns
    assert toy(workspace, "kept") == first
    assert (first.folder(workspace) / "text.txt").stat().st_mtime_ns == made
    assert followed.steps[-1].cached
    assert json.loads(json.loads(record.read_bytes())["result"])["data"]["digest"] == first.digest


def test_a_record_elsewhere_does_not_hide_that_the_artifact_is_gone(
    prefect_server: None, tmp_path: Path, followed: Journal
) -> None:
    first = toy(tmp_path, "gone")  # Prefect's records of this process lie in another workspace
    assert not (first.folder(tmp_path) / RECORD).exists()
    assert toy(tmp_path, "gone") == first
    assert followed.steps[-1].cached
    shutil.rmtree(first.folder(tmp_path))
    assert toy(tmp_path, "gone") == first
    assert (first.folder(tmp_path) / "text.txt").read_text() == "gone"
    assert not followed.steps[-1].cached


@pytest.mark.parametrize("field", ["timeout_minutes", "checkpoint_steps"])
def test_how_long_and_how_often_saved_is_not_in_the_key_of_a_training(field: str) -> None:
    assert identity(TrainingSettings(**{field: 7})) == identity(TrainingSettings())  # type: ignore[arg-type]
    assert identity(TrainingSettings(seed=7)) != identity(TrainingSettings())


def test_an_error_that_a_later_attempt_made_good_is_forgotten(followed: Journal) -> None:
    def fail(key: str) -> None:
        with pytest.raises(ServiceError), _noted(key):
            raise ServiceError(f"{key} is away.", cure="Wait.")

    fail("one")
    fail("two")
    with _noted("two"):
        pass
    assert str(followed.error) == "one is away. Wait."
    with _noted("one"):
        pass
    assert followed.error is None


def test_a_step_that_is_pruned_is_no_failure_and_no_hit_the_next_time(
    prefect_server: None, workspace: Path, followed: Journal
) -> None:
    ending: list[Exception] = [Pruned("It does worse.", cure="Go on.")]

    @step("toy_trial", RawLogs)
    def trial(draft: Draft, text: str) -> RawLogs:
        """Write a text, or be ended before."""
        if ending:
            raise ending[0]
        (draft.folder / "text.txt").write_text(text)
        return draft.seal(RawLogs)

    for _ in range(2):
        with titled("trial 1: rank 8"), pytest.raises(Pruned, match="It does worse"):
            trial(workspace, "one")
    assert [(one.state, one.part, one.titled) for one in followed.steps] == 2 * [
        ("Pruned", "trial 1: rank 8", True)
    ]
    assert followed.error is None
    assert not list((workspace / "store" / "toy_trial").glob("*"))
    ending.clear()
    made = trial(workspace, "one")
    assert (made.folder(workspace) / "text.txt").read_text() == "one"
    assert not followed.steps[-1].cached
    with titled("trial 7: under another title it is the same"):
        assert trial(workspace, "one") == made
    assert followed.steps[-1].cached


def raiser(error: Exception) -> Callable[..., None]:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise error

    return fail


def test_what_prefect_cannot_be_shown_does_not_undo_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", raiser(RuntimeError("the server went away")))
    receipt = toy.task.fn(tmp_path, "one")
    assert find(tmp_path, "toy", Path(receipt.path).name, RawLogs) == receipt
    assert "RuntimeError" in caplog.text


def test_a_stop_is_never_taken_for_a_server_that_went_away() -> None:
    with pytest.raises(Stopped), only_shown():
        raise Stopped("Stopped by a signal.", cure="Start again.")


@pytest.mark.parametrize("call", ["create_progress_artifact", "update_progress_artifact"])
def test_training_goes_on_when_its_progress_cannot_be_shown(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import adapter_training

    asked: list[float] = []
    monkeypatch.setattr(adapter_training, "create_progress_artifact", lambda *_, **__: "an id")
    monkeypatch.setattr(adapter_training, "update_progress_artifact", lambda _id, part: asked.append(part))
    fail = raiser(ConnectionError("away"))
    monkeypatch.setattr(adapter_training, call, lambda *_, **__: (asked.append(-1.0), fail()))
    tell = adapter_training._progress()
    for number in range(1, 5):
        tell({"step": number, "steps": 4})
    assert asked == [-1.0]
