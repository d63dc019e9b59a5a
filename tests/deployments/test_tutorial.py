"""The tutorial is true: its commands, one after the other, in one folder, on small logs."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documents import shown_commands
from journeys import ROOT, SAMPLE, plain_environment

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEPS = {
    int(number): text
    for number, text in re.findall(r"^## (\d)\. (.*?)(?=^## |\Z)", TUTORIAL, re.MULTILINE | re.DOTALL)
}


@pytest.mark.journey
def test_the_commands_of_the_tutorial_do_what_it_says(fresh_workspace: Path, tmp_path: Path) -> None:
    lines = (SAMPLE / "2026-07.jsonl").read_bytes().splitlines(keepends=True)[:170]
    (tmp_path / "tickets.jsonl").write_bytes(b"".join(lines))

    said = {}
    for command in [one for step in range(2, 7) for one in shown_commands(STEPS[step])]:
        said[command] = subprocess.run(
            [sys.executable, "-m", "deployments.cli", *shlex.split(command)],
            cwd=tmp_path,
            env={**plain_environment(), "FRESHTUNE_WORKSPACE": str(fresh_workspace)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said[command].returncode == 0, f"{command}: {said[command].stderr[-2000:]}"

    assert [command.split()[0] for command in said] == [
        *("check", "check"),
        *("quarantine", "quarantine", "quarantine"),
        *("run", "show"),
    ]
    rejected = (tmp_path / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert rejected
    assert all(json.loads(one) for one in rejected)
    runs = sorted((fresh_workspace / "runs").iterdir())
    assert len(runs) == 3
    assert all((run / "report.html").is_file() for run in runs)
    outcome = json.loads((runs[-1] / "outcome.json").read_bytes())
    assert outcome["status"] in {"promoted", "kept"}
    assert outcome["rows"]["in"] == len(lines)


def test_the_record_that_the_tutorial_shows_has_the_names_that_are_looked_for() -> None:
    from tasks.core.settings import Fields

    shown = re.search(r"```json\n(.*?)```", STEPS[1], re.DOTALL)
    assert shown
    record = json.loads(shown[1])
    names = Fields()
    assert {names.id, names.created, names.requester, names.reply, *names.question} <= set(record)
