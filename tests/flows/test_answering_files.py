"""A file of questions with the real parts: the words of `ask`, every row in one of two files, killed and gone on with."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from journeys import BASE, ROOT, freshtune, outcome_of, plain_environment
from tiny import packaged, register
from waiting import wait_until

from flows.answering import answer_question
from tasks.core.erasure.lineage import artifacts, holding
from tasks.core.errors import DataError, SettingsError
from tasks.core.registry.client import CHAMPION, open_registry
from tasks.core.settings import RegistrySettings, Settings
from tasks.journal import JOURNAL, Journal

NAME, TOKENS, SECRET = "answers", 8, "zebra-4711"
ASKED = ("My notes do not sync. What can I do?", "How do I reset the printer?", "  <b>Why</b> so&nbsp;slow? ")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaged(tmp_path_factory.mktemp("package"), BASE)


@pytest.fixture(scope="module")
def settings(workspace: Path, package: Path) -> Settings:
    """Give the settings of a workspace with a champion."""
    version = register(workspace, package, "answers-1", NAME)
    open_registry(workspace).set_alias(NAME, CHAMPION, version)
    return Settings(workspace=workspace, registry=RegistrySettings(name=NAME))


def answered(
    settings: Settings, file: Path, out: Path, model: str = CHAMPION
) -> tuple[dict[str, Any], Journal]:
    from flows.answering_files import answer_file

    followed = Journal()
    token = JOURNAL.set(followed)
    try:
        return answer_file(settings, file, out, model, TOKENS), followed
    finally:
        JOURNAL.reset(token)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in rows))
    return path


def test_replies_are_those_of_ask_and_every_row_is_in_one_of_two_files(
    settings: Settings, prefect_server: None, tmp_path: Path
) -> None:
    rows: list[Any] = [{"id": number, "question": text} for number, text in enumerate(ASKED)]
    rows += [{"id": SECRET}, f'{{"id": "{SECRET}", "question": \n', {"question": f"{SECRET} " * 600}]
    rows += [{"id": "e", "question": "<br>"}, {"question": "What now?"}]
    file, out = write(tmp_path / "asked.jsonl", rows), tmp_path / "replies.jsonl"
    told, followed = answered(settings, file, out)

    assert told["rows"] == {"in": 8, "answered": 4, "refused": 4}
    replies = rows_of(out)
    assert [(row["id"], row["line"]) for row in replies] == [(0, 1), (1, 2), (2, 3), (8, 8)]
    assert {row["model"] for row in replies} == {f"{NAME}/{told['version']}"}
    asked = [answer_question(settings, text, CHAMPION, TOKENS)["reply"] for text in (*ASKED, "What now?")]
    assert [row["reply"] for row in replies] == asked
    assert all(asked)
    assert told["tokens"]["reply"] <= 4 * TOKENS
    assert told["tokens"]["prompt"] > 4 * 10

    refused = rows_of(tmp_path / "replies.rejected.jsonl")
    assert [row["line"] for row in refused] == [4, 5, 6, 7]
    reasons = " ".join(row["reason"] for row in refused)
    for words in ("has no question", "end of the object", "more than the 1,024 of this model", "is empty"):
        assert words in reasons
    assert SECRET not in reasons + json.dumps(told) + "".join(followed.warnings + followed.notes)
    assert (out.stat().st_mode & 0o777, list(tmp_path.glob("*.writing"))) == (0o600, [])

    steps = {step.name: receipt.folder(settings.workspace) for step, receipt in followed.made}
    hit = next(steps["question_reading"].rglob("questions.jsonl"))
    assert holding(artifacts(settings.workspace), [hit]) == set(
        steps.values()
    )  # all goes when somebody is forgotten

    out.unlink()
    again, second = answered(settings, file, out)
    assert again == told
    assert rows_of(out) == replies
    assert all(step.cached for step in second.steps)


def test_what_is_asked_again_in_another_form_says_the_same(
    settings: Settings, prefect_server: None, tmp_path: Path
) -> None:
    with (tmp_path / "asked.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "question"], *([f"n{one}", text] for one, text in enumerate(ASKED))]
        )
    told, _ = answered(settings, tmp_path / "asked.csv", tmp_path / "out.jsonl", str(told_version(settings)))
    assert told["rows"] == {"in": 3, "answered": 3, "refused": 0}
    assert [row["id"] for row in rows_of(tmp_path / "out.jsonl")] == ["n0", "n1", "n2"]
    assert rows_of(tmp_path / "out.rejected.jsonl") == []


def told_version(settings: Settings) -> int:
    return open_registry(settings.workspace).aliases(NAME)[CHAMPION]


def test_what_cannot_be_done_is_said_and_leaves_no_file(
    settings: Settings, prefect_server: None, tmp_path: Path
) -> None:
    file, empty = write(tmp_path / "asked.jsonl", [{"question": "How?"}]), write(tmp_path / "none.jsonl", [])
    out = tmp_path / "out.jsonl"
    with pytest.raises(SettingsError, match="is the file with the questions"):
        answered(settings, file, file)
    with pytest.raises(SettingsError, match="is a folder"):
        answered(settings, file, tmp_path)
    with pytest.raises(SettingsError, match="no folder that can be written to"):
        answered(settings, file, tmp_path / "nowhere" / "out.jsonl")
    with pytest.raises(SettingsError, match="no version 99"):
        answered(settings, file, out, "99")
    with pytest.raises(DataError, match="holds no row"):
        answered(settings, empty, out)
    with pytest.raises(DataError, match="There is no log file"):
        answered(settings, tmp_path / "absent.jsonl", out)
    assert not out.exists()


def test_a_killed_start_is_gone_on_with_from_its_complete_parts(
    migrated: Path, package: Path, tmp_path: Path
) -> None:
    place = tmp_path / "ws"
    (place / "prefect").mkdir(parents=True)
    shutil.copy(migrated, place / "prefect")
    assert register(place, package, "c1") == 1
    rows = [{"id": number, "question": f"How do I do number {number}?"} for number in range(1500)]
    file, out = write(tmp_path / "asked.jsonl", rows), tmp_path / "out.jsonl"
    arguments = ["answer", str(file), "--out", str(out), "--model", "1", "--max-new-tokens", "2"]
    done = place / "store" / "answering"

    process = subprocess.Popen(
        [sys.executable, "-m", "deployments.cli", *arguments, "--workspace", str(place)],
        cwd=ROOT,
        env=plain_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: len(list(done.glob("*/manifest.json"))) >= 2 or process.poll() is not None, 240)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in done.glob("*/manifest.json")}
    assert 2 <= len(kept) < 6
    assert not out.exists()

    told = outcome_of(freshtune(*arguments, "--json", workspace=place))
    assert told["rows"] == {"in": 1500, "answered": 1500, "refused": 0}
    assert [row["id"] for row in rows_of(out)] == list(range(1500))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(done.glob("*/manifest.json"))) == 6
