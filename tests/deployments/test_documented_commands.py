"""The commands of the documents run, one after the other in the order of a user's work; those of the tutorial have a test of their own.

What wants services, a GPU, a base of the user's or another program is stood in for by the module that `ELSEWHERE` names.
"""

import csv
import gzip
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from documents import shown_commands
from journeys import BASE, ROOT, SAMPLE, plain_environment, small_sets
from miniatures import small_log
from pyarrow import parquet
from small_judge import SmallJudge, small_judge

DOCS = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {ROOT / "docs" / "tutorial.md"})]
ORDER = (
    *("doctor", "check", "quarantine", "plan", "run", "sweep", "models", "runs", "show", "ask", "answer"),
    *("promote", "reject", "rollback", "export", "trace", "clean", "forget"),
)
"""Commands by their first word, as somebody comes to them who begins with nothing."""
ELSEWHERE = {
    r"(up|down|status|deploy .*)": "tests/deployments/test_operating.py",
    r"serve.*": "tests/deployments/test_serving.py",
    r"run [a-z0-9-]+ .*model\.base=(?!/models/my-base).*": "tests/deployments/test_recipes.py",
    r"run demo --set 'evaluation\.harness=.*": "tests/tasks/test_harness_evaluation.py",
}
"""By what the rest of a command looks like: where something like it is run."""
TRAINS = ("run", "sweep")
REQUESTER = "garsulhil8"


def commands() -> list[str]:
    """Give what the documents tell to type, each once, as somebody comes to it."""
    found = [one for path in DOCS for one in shown_commands(path.read_text(encoding="utf-8"))]
    return sorted(dict.fromkeys(found), key=_turn)


def _turn(command: str) -> int:
    word = command.split(maxsplit=1)[0]
    return ORDER.index(word) if word in ORDER else len(ORDER)


HERE = [one for one in commands() if not any(re.fullmatch(how, one) for how in ELSEWHERE)]


@dataclass(frozen=True)
class Desk:
    """A folder with what the documents speak of, and a workspace."""

    folder: Path
    workspace: Path
    judge: SmallJudge

    def said(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as it is shown; one that trains is made small by what comes after it."""
        if command.startswith("quarantine readmit"):
            self.mend()
        words = shlex.split(command.replace("http://127.0.0.1:8000/v1", self.judge.address))
        words = [one.replace("/models/my-base", str(BASE)) for one in words]
        return subprocess.run(
            [sys.executable, "-m", "deployments.cli", *words, *self.smaller(words)],
            cwd=self.folder,
            env={**plain_environment(), "FRESHTUNE_WORKSPACE": str(self.workspace)},
            capture_output=True,
            text=True,
            check=False,
        )

    def smaller(self, words: list[str]) -> list[str]:
        if words[0] not in TRAINS:
            return []
        logs = [] if "--logs" in words else ["--logs", "tickets.jsonl"]
        trials = ["--trials", "1"] if words[0] == "sweep" else []
        judged = ["--set", "judge.pairs=2"] if "judge.model=my-judge" in words else []
        return [*small_sets(), *logs, *trials, *judged]

    def mend(self) -> None:
        """Mend the exported rows, as the documents ask."""
        file = self.folder / "rejected.jsonl"
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for number, one in enumerate(rows):
            one["row"] |= {
                "question": f"How do I mend row {number}?",
                "reply": "Thank you. It is mended now.",
            }
        file.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def desk(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Lay out logs in the forms and under the names that the documents use."""
    folder = tmp_path_factory.mktemp("desk")
    lines = (SAMPLE / "2026-07.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:170]
    of_one = next(line for path in SAMPLE.glob("*.jsonl") for line in path.open() if f'"{REQUESTER}"' in line)
    (folder / "tickets.jsonl").write_text("".join([*lines, of_one]), encoding="utf-8")
    rows = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]
    (folder / "logs").mkdir()
    forum = small_log("thunderbird", folder / "made").read_bytes().splitlines(keepends=True)
    (folder / "logs" / "2025-01.jsonl").write_bytes(b"".join(forum[:90]))
    (folder / "logs" / "2025-02.jsonl").write_bytes(b"".join(forum[90:]))
    talks = map(json.loads, small_log("summarise", folder / "made").read_text(encoding="utf-8").splitlines())
    whole = [talk for talk in talks if all(isinstance(turn["text"], str) for turn in talk["turns"])]
    parquet.write_table(pa.Table.from_pylist(whole), folder / "chats.parquet")
    with gzip.open(folder / "logs.csv.gz", "wt", encoding="utf-8", newline="") as file:
        columns = ("conversation_id", "created", "requester", "subject", "body", "reply")
        written = csv.writer(file)
        written.writerow([*columns[:-1], "answer"])
        written.writerows([row.get(name) or "" for name in columns] for row in rows)
    questions = [{"question": row["body"]} for row in rows[:3] if row.get("body")]
    (folder / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in questions))
    workspace = folder / "ws"
    (workspace / "prefect").mkdir(parents=True)
    shutil.copy(migrated, workspace / "prefect")
    with small_judge(lambda _: json.dumps({"winner": "first"})) as judge:
        yield Desk(folder, workspace, judge)


def test_each_command_is_run_here_or_by_another_module() -> None:
    assert len(HERE) >= 38
    assert {one.split()[0] for one in HERE} == {*ORDER}
    for how, module in ELSEWHERE.items():
        assert [one for one in commands() if re.fullmatch(how, one)], how
        assert (ROOT / module).is_file()


@pytest.mark.journey
@pytest.mark.parametrize("command", HERE)
def test_a_command_of_the_documents_runs(command: str, desk: Desk) -> None:
    done = desk.said(command)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
