"""What is kept is told by lineage: the last runs, the versions in use, and all that they were made from."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tasks.core.erasure.log_reading import known_logs
from tasks.core.operating.retention import clean, plan_cleaning

CHAMPION = ("support", 1)


def digest(name: str) -> str:
    return name.ljust(64, "0")


def artifact(workspace: Path, step: str, key: str, *origins: str, **facts: Any) -> str:
    """Put an artifact into the store, made from others, and give its path."""
    folder = workspace / "store" / step / key
    folder.mkdir(parents=True)
    made_from = {"inputs": [{"Receipt": digest(origin)} for origin in origins]}
    path = folder.relative_to(workspace).as_posix()
    receipt = {"path": path, "digest": digest(key), "made_from": made_from, **facts}
    (folder / "manifest.json").write_text(json.dumps({"receipt": receipt}))
    (folder / "data").write_bytes(bytes(1000))
    return path


def run(workspace: Path, name: str, version: int, *used: str) -> None:
    """Leave a run that used artifacts and ended with a version."""
    folder = workspace / "runs" / name
    folder.mkdir(parents=True)
    (folder / "receipts.json").write_text(json.dumps([{"path": path} for path in used]))
    outcome = {"status": "kept", "reason": "", "model": {"name": "support", "version": version}}
    (folder / "outcome.json").write_text(json.dumps(outcome))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give a workspace of four weeks, of which the first made the champion, from rows that no run lists."""
    artifact(tmp_path, "collection", "rows1")
    artifact(tmp_path, "tokenization", "tokens1", "rows1")
    for week in range(1, 5):
        if week > 1:
            artifact(tmp_path, "tokenization", f"tokens{week}")
        path = artifact(
            tmp_path, "registration", f"made{week}", f"tokens{week}", name="support", version=week
        )
        run(tmp_path, f"2026010{week}-1", week, path)
    return tmp_path


def names(paths: tuple[Path, ...]) -> list[str]:
    return [path.name for path in paths]


def test_the_champions_lineage_and_the_last_runs_stay(workspace: Path) -> None:
    planned = plan_cleaning(workspace, {CHAMPION}, keep_runs=1)
    assert names(planned.artifacts) == ["made2", "made3", "tokens2", "tokens3"]
    assert names(planned.runs) == ["20260102-1", "20260103-1"]
    assert planned.size() > 4 * 1000
    before = planned.size()
    clean(workspace, planned)
    again = plan_cleaning(workspace, {CHAMPION}, keep_runs=1)
    assert (again.paths, again.size()) == ((), 0)
    assert before > 0
    assert (workspace / "store" / "collection" / "rows1").is_dir()


def test_what_a_run_that_goes_was_told_of_its_logs_is_kept_once(workspace: Path) -> None:
    for one in (workspace / "runs").iterdir():
        (one / "settings.yaml").write_text("logs: {paths: [/rotated/away.jsonl]}\ntraining: {seed: 1}\n")
    clean(workspace, plan_cleaning(workspace, {CHAMPION}, keep_runs=1))
    assert [one.paths for one in known_logs(workspace)] == [("/rotated/away.jsonl",)]
    assert len(list((workspace / "past_logs").iterdir())) == 1


def test_runs_within_a_budget_of_trainings_stay(workspace: Path) -> None:
    assert plan_cleaning(workspace, set(), 1, keep_since=0.0).paths == ()


def test_a_file_of_questions_can_be_gone_on_with(workspace: Path) -> None:
    artifact(workspace, "answering", "fresh")
    assert "fresh" not in names(plan_cleaning(workspace, {CHAMPION}, keep_runs=1).artifacts)


def test_without_a_version_only_the_last_runs_count(workspace: Path) -> None:
    planned = plan_cleaning(workspace, set(), keep_runs=2)
    assert names(planned.artifacts) == ["rows1", "made1", "made2", "tokens1", "tokens2"]


def test_with_enough_runs_nothing_goes(workspace: Path) -> None:
    assert plan_cleaning(workspace, set(), keep_runs=4).paths == ()


def test_of_many_runs_that_ended_with_the_champion_the_one_that_made_it_stays(workspace: Path) -> None:
    for day in (5, 6, 7):
        run(workspace, f"2026010{day}-1", 1, "store/registration/made1")
    planned = plan_cleaning(workspace, {CHAMPION}, keep_runs=1)
    assert [name for name in names(planned.runs) if "0101" in name] == []
    assert "20260105-1" in names(planned.runs)


def test_an_artifact_whose_manifest_is_damaged_goes_unless_a_kept_run_used_it(workspace: Path) -> None:
    for name in ("made2", "made4"):
        (workspace / "store" / "registration" / name / "manifest.json").write_text("{")
    planned = plan_cleaning(workspace, {CHAMPION}, keep_runs=1)
    assert "made2" in names(planned.artifacts)
    assert "made4" not in names(planned.artifacts)


def test_what_was_built_for_a_killed_run_stays_for_its_next_start(workspace: Path) -> None:
    killed = workspace / "runs" / "20260105-1"
    killed.mkdir()
    (killed / "settings.yaml").touch()
    for old in (workspace / "store").glob("*/*/manifest.json"):
        os.utime(old, (1, 1))
    artifact(workspace, "cleaning", "fresh")
    planned = plan_cleaning(workspace, {CHAMPION}, keep_runs=1)
    assert "made4" in names(planned.artifacts)
    assert "fresh" not in names(planned.artifacts)


def test_leftovers_go_when_they_are_older_than_what_is_kept(workspace: Path) -> None:
    for place in ("drafts/training-a", "damaged/old", "damaged/new", "work/training/unfinished"):
        (workspace / place).mkdir(parents=True)
    os.utime(workspace / "damaged" / "old", (1, 1))
    planned = plan_cleaning(workspace, {CHAMPION}, keep_runs=1)
    assert names(planned.leftovers) == ["old", "training-a"]


def test_an_empty_workspace_has_nothing_to_go(tmp_path: Path) -> None:
    assert plan_cleaning(tmp_path, {CHAMPION}, keep_runs=1).paths == ()
