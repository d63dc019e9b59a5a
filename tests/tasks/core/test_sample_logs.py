"""The sample logs: made by their script, and cleaned of all that was planted."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.core.files.cutting import cut_lines
from tasks.core.files.sampling import sample_records
from tasks.core.intake.collecting import collect_chunk, cut
from tasks.core.intake.shapes import resolve_shape
from tasks.core.normalizing.normalization import has_hidden, has_marker, has_markup
from tasks.core.privacy.redaction import personal_data_left
from tasks.core.settings import CleaningSettings, LogsSettings
from tasks.core.text.conversation_cleaning import clean_conversations

DATA = Path(__file__).parents[2] / "data"
PLANTED = json.loads((DATA / "planted.json").read_text(encoding="utf-8"))


Read = tuple[list[dict[str, Any]], list[Any]]


@pytest.fixture(scope="module")
def read() -> Read:
    rows, rejected = [], []
    for path in sorted((DATA / "support_logs").glob("*.jsonl")):
        (whole,), held_back = cut_lines(path)
        assert held_back is None
        shape, _ = resolve_shape(sample_records(path, 0, whole.length, "lines"), LogsSettings(), path.name)
        for chunk in cut(path.read_bytes(), "lines"):
            found = collect_chunk(chunk, shape)
            rows += found.table.to_pylist()
            rejected += found.entries
    return rows, rejected


def test_the_script_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("make_support_logs.py", "support_dirt.py"):
        shutil.copyfile(DATA / name, tmp_path / name)
    shutil.copytree(DATA / "support_talk", tmp_path / "support_talk")
    subprocess.run([sys.executable, "make_support_logs.py"], cwd=tmp_path, check=True)
    for name in ("planted.json", "DIRT.md", *(f"support_logs/2026-0{month}.jsonl" for month in (7, 8, 9))):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


def test_there_is_enough_of_everything(read: Read) -> None:
    rows, rejected = read
    assert len(rows) + len(rejected) >= 1500
    assert len({row["product"] for row in rows}) == 4
    german = sum(row["language"] == "de" for row in rows) / len(rows)
    assert 0.25 < german < 0.45
    assert len(PLANTED) >= 15
    assert min(kind["count"] for kind in PLANTED.values()) >= 5


def test_lines_that_cannot_be_read_are_those_that_were_planted(read: Read) -> None:
    kinds = {
        "cut_off": "cut off line",
        "not_an_object": "array in place of an object",
        "wrong_type": "number in place of text",
    }
    rules = [bad.rule for bad in read[1]]
    for rule, kind in {**kinds, "repeated_key": "repeated key"}.items():
        assert rules.count(rule) == PLANTED[kind]["count"], rule
    assert len(rules) == sum(rules.count(rule) for rule in {*kinds, "repeated_key"})


def test_no_planted_secret_survives_cleaning(read: Read) -> None:
    sys.path.insert(0, str(DATA))
    from support_dirt import MEMBERS

    cleaned = [one.row for one in clean_conversations(read[0], CleaningSettings())]
    texts = [row[column] for row in cleaned for column in ("question", "reply")]
    together = "\n".join(texts)
    secrets = [
        value.split()[-1].split("=")[-1] if "pass" in value.lower() else value
        for group in MEMBERS
        for value in group
    ]
    assert [value for value in secrets if value in together] == []
    for left in (has_markup, has_marker, has_hidden, personal_data_left):
        assert not any(left(text) for text in texts), left
    assert "Ã" not in together
    assert "&amp;" not in together
