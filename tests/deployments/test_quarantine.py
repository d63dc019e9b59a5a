"""The quarantine's door: what is chosen, what can be mended, and where a row lies that another repeats."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from deployments.cli import cli
from tasks.core.errors import SettingsError
from tasks.core.store.fixed_rows import FIXED, read_fixed
from tasks.core.store.quarantine import SCHEMA
from tasks.core.store.run_files import OUTCOME, TABLE


def entry(row_id: str, fate: str, rule: str, reason: str, row: Any = None) -> dict[str, Any]:
    content = json.dumps(row) if row is not None else ""
    return {
        "row_id": row_id,
        "file": "a.csv",
        "line": 7,
        "step": "s",
        "fate": fate,
        "rule": rule,
        "reason": reason,
        "expectation": "",
        "row": content,
    }


ROWS = [
    entry("aaaa1", "quarantined", "has a reply", "not met", {"question": "How?", "reply": None}),
    entry("bbbb2", "quarantined", "not_utf8", "not valid UTF-8", {"raw": "\\xff"}),
    entry("cccc3", "filtered", "short_reply", "shorter than 3 words"),
    entry("dddd4", "duplicates", "near_duplicate", "nearly equals row eeee5 (b.csv, line 12)"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a workspace with one run."""
    run = tmp_path / "runs" / "20260101-000000-aaaa"
    run.mkdir(parents=True)
    (run / OUTCOME).write_text('{"status": "checked", "reason": "r"}')
    pq.write_table(pa.Table.from_pylist(ROWS, SCHEMA), run / TABLE)
    return tmp_path


def said(place: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["quarantine", *words, "--workspace", str(place)])


def refusal(place: Path, *words: str) -> SettingsError:
    error = said(place, *words).exception
    assert isinstance(error, SettingsError)
    return error


def test_the_list_begins_with_the_rules_and_has_a_header(place: Path) -> None:
    lines = said(place, "list", "--all").stdout.splitlines()
    assert lines[0].split() == ["1", "quarantined:", "has", "a", "reply"]
    assert lines[4:6] == ["", f"{'row':<20} {'file':<28} {'line':>7}  {'rule':<30} reason"]
    assert [line.split()[0] for line in lines[6:]] == ["aaaa1", "bbbb2", "cccc3", "dddd4"]
    assert json.loads(said(place, "list", "--json").stdout)["rows"][1]["row_id"] == "bbbb2"


def test_a_rule_that_no_row_broke_is_told_with_those_that_there_are(place: Path) -> None:
    there = "there are: has a reply (1), not_utf8 (1)."
    assert said(place, "list", "--rule", "nonsense").stdout.rstrip().endswith(there)
    for rule in ("nonsense", "near_duplicate"):
        error = refusal(place, "export", str(place / "out.jsonl"), "--rule", rule)
        assert error.message == f"No row in quarantine broke the rule {rule!r}; {there}"
    assert not (place / "out.jsonl").exists()
    assert "1 rows are in" in said(place, "export", str(place / "out.jsonl"), "--rule", "not_utf8").stdout


@pytest.mark.parametrize(
    ("row", "setting", "message", "cure"),
    [
        (
            "cccc",
            "reply=x",
            "cccc3 was filtered (short_reply), not quarantined: its content is not kept, so that it cannot be mended here.",
            "Mend it in the log (a.csv, line 7), or change the setting behind the rule.",
        ),
        ("dddd4", "reply=x", "dddd4 was left out as a duplicate (near_duplicate), not quarantined", "b"),
        ("aaaa1", "replly=x", "replly is not a field of a row; did you mean reply?", "There are: "),
        ("aaaa1", "zzz=x", "zzz is not a field of a row.", "There are: conversation, created, "),
        ("bbbb2", "reply=x", "question of bbbb2 must be text, ", "--set question=… --set reply=…"),
        ("eeee5", "reply=x", "The row eeee5 was kept: dddd4 nearly equals row eeee5 (b.csv, line 12).", ""),
        ("ffff6", "reply=x", "No rejected row begins with 'ffff6'.", "freshtune quarantine list"),
    ],
)
def test_what_cannot_be_mended_is_told_why(
    row: str, setting: str, message: str, cure: str, place: Path
) -> None:
    error = refusal(place, "fix", row, "--set", setting)
    assert error.message.startswith(message)
    assert cure in error.cure
    assert not (place / FIXED).exists()


def test_a_row_in_quarantine_is_mended_in_place(place: Path) -> None:
    assert "is taken back in the next run" in said(place, "fix", "aaaa1", "--set", "reply=So.").stdout
    assert read_fixed(place / FIXED)["aaaa1"]["reply"] == "So."
