"""The data chapter with the real parts: every shape in, every row accounted for, rows fixed and taken back."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from journeys import SAMPLE, small_settings

from deployments.quarantine import chosen, export, fix, read_table, readmit
from tasks.core.settings import Fields, FormatSettings, LogsSettings, QualitySettings, Settings
from tasks.core.store.fixed_rows import add_fixed
from tasks.journal import JOURNAL, Journal

Told = tuple[dict[str, Any], Journal]
FATES = ("kept", "quarantined", "filtered", "duplicates", "over_length")


def checked(settings: Settings) -> Told:
    from flows.retrain import check

    followed = Journal()
    token = JOURNAL.set(followed)
    try:
        return check(settings), followed
    finally:
        JOURNAL.reset(token)


def settings_of(workspace: Path, *logs: Path, **changes: Any) -> Settings:
    few = QualitySettings(min_examples=10)
    return small_settings(workspace, *logs).model_copy(update={"quality": few, **changes})


def built(told: Told) -> list[str]:
    return [step.name for step in told[1].steps if not step.cached]


def sample(count: int) -> list[dict[str, Any]]:
    lines = (SAMPLE / "2026-07.jsonl").read_bytes().splitlines()
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("reply"), str) and isinstance(row.get("body"), str):
            rows.append(row)
    return rows[:count]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs.jsonl"
    path.write_bytes(b"".join((SAMPLE / "2026-07.jsonl").read_bytes().splitlines(keepends=True)[:120]))
    return path


def write_forms(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Path]:
    """Write the same conversations in every form."""
    folder.mkdir()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    turns = [
        {
            **{
                name: row[name]
                for name in ("conversation_id", "created", "language", "product", "requester", "agent")
            },
            "messages": [
                {"role": "user", "content": f"{row['subject']}\n\n{row['body']}"},
                {"role": "system", "content": "closed by the nightly job"},
                {"role": "assistant", "content": row["reply"]},
            ],
        }
        for row in rows
    ]
    paths = {
        name: folder / name
        for name in ("a.jsonl", "a.jsonl.gz", "a.json", "a.csv", "a.parquet", "turns.jsonl")
    }
    paths["a.jsonl"].write_text(lines, encoding="utf-8")
    paths["a.jsonl.gz"].write_bytes(gzip.compress(lines.encode()))
    paths["a.json"].write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    paths["turns.jsonl"].write_text("".join(json.dumps(one) + "\n" for one in turns), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), paths["a.parquet"])
    with paths["a.csv"].open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return paths


def test_every_form_of_the_same_conversations_gives_the_same_examples(
    workspace: Path, prefect_server: None, tmp_path: Path
) -> None:
    paths = write_forms(tmp_path / "forms", sample(40))
    told = {name: checked(settings_of(workspace, path)) for name, path in paths.items()}
    counts = {name: [one[0]["rows"][fate] for fate in ("in", *FATES)] for name, one in told.items()}
    assert len({tuple(count) for count in counts.values()}) == 1, counts
    assert counts["a.csv"][0] == 40
    notes = {name: one[0]["notes"][0] for name, one in told.items()}
    assert notes["turns.jsonl"].startswith("Read as turns in messages")
    assert "40 turns of neither side" in told["turns.jsonl"][0]["notes"][1]
    assert all(note.startswith("Read as columns") for name, note in notes.items() if name != "turns.jsonl")


def test_messages_of_one_conversation_meet_across_files(
    workspace: Path, prefect_server: None, tmp_path: Path
) -> None:
    messages = [
        {
            "ticket_id": row["conversation_id"],
            "time": f"2026-07-01T10:{second:02}:00Z",
            "role": role,
            "text": text,
            "requester": row["requester"],
        }
        for row in sample(40)
        for second, (role, text) in enumerate((("customer", row["body"]), ("agent", row["reply"])))
    ]
    for name, part in (("one.jsonl", messages[::2]), ("two.jsonl", messages[1::2])):
        (tmp_path / name).write_text("".join(json.dumps(one) + "\n" for one in part), encoding="utf-8")
    outcome, _ = checked(settings_of(workspace, tmp_path / "one.jsonl", tmp_path / "two.jsonl"))
    assert outcome["rows"]["in"] == 40 == sum(outcome["rows"][fate] for fate in FATES)
    assert outcome["rows"]["kept"] > 25


def test_the_order_and_the_names_of_files_change_no_byte(
    workspace: Path, prefect_server: None, tmp_path: Path
) -> None:
    lines = (SAMPLE / "2026-07.jsonl").read_bytes().splitlines(keepends=True)
    for name, part in (("a", lines[:60]), ("b", lines[60:120])):
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(part))
    first = checked(settings_of(workspace, tmp_path / "a.jsonl", tmp_path / "b.jsonl"))
    (tmp_path / "a.jsonl").rename(tmp_path / "z.jsonl")
    again = checked(settings_of(workspace, tmp_path / "z.jsonl", tmp_path / "b.jsonl"))
    assert built(again) == []
    assert [one.digest for one in again[1].receipts] == [one.digest for one in first[1].receipts]


def test_a_new_file_costs_its_own_share_only(workspace: Path, prefect_server: None, tmp_path: Path) -> None:
    lines = (SAMPLE / "2026-08.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "old.jsonl").write_bytes(b"".join(lines[:90]))
    checked(settings_of(workspace, tmp_path / "old.jsonl"))
    (tmp_path / "new.jsonl").write_bytes(b"".join(lines[90:120]))
    names = built(checked(settings_of(workspace, tmp_path / "old.jsonl", tmp_path / "new.jsonl")))
    assert sorted(names[:4]) == sorted(["collection", "raw_validation", "cleaning", "clean_validation"])
    assert names.count("collection") == names.count("cleaning") == 1
    assert "formation" in names


def test_a_growing_file_keeps_its_cut_last_line_back(
    logs: Path, workspace: Path, prefect_server: None
) -> None:
    whole = logs.read_bytes()
    logs.write_bytes(whole[:-20])
    cut = checked(settings_of(workspace, logs))[0]
    logs.write_bytes(whole)
    full = checked(settings_of(workspace, logs))[0]
    assert full["rows"]["in"] == cut["rows"]["in"] + 1
    assert any("held back" in warning for warning in cut["warnings"])
    assert not any("held back" in warning for warning in full["warnings"])


def test_the_quarantine_names_file_line_rule_and_expectation(
    logs: Path, workspace: Path, prefect_server: None
) -> None:
    outcome, _ = checked(settings_of(workspace, logs))
    rows = read_table(Path(outcome["run_dir"]))
    assert (Path(outcome["run_dir"]) / "quarantine.parquet").stat().st_mode & 0o077 == 0
    held = chosen(rows, every=False, rule="")
    assert len(held) == outcome["rows"]["quarantined"] > 0
    assert len(rows) == outcome["rows"]["in"] - outcome["rows"]["kept"]
    source = logs.read_bytes().split(b"\n")
    for row in held:
        assert row["file"] == "logs.jsonl"
        content = json.loads(row["row"])
        line = source[row["line"] - 1].decode("utf-8", "replace")
        assert (content.get("raw") or content["conversation"]) in line
        assert bool(row["expectation"]) == (row["step"] != "collection")


@pytest.mark.parametrize(
    ("rule", "step"),
    [("has a reply", "raw_validation"), ("reply is not the question", "example_validation")],
)
def test_a_mended_row_is_taken_back_and_counted_once(
    rule: str, step: str, logs: Path, tmp_path: Path, prefect_server: None, workspace: Path
) -> None:
    with logs.open("a") as file:
        echo = "Is there a way to export all of my notes at once?"
        file.write(
            json.dumps({"conversation_id": "echo", "requester": "r1", "body": echo, "reply": echo}) + "\n"
        )
    settings = settings_of(workspace, logs)
    before, _ = checked(settings)
    held = chosen(read_table(Path(before["run_dir"])), every=False, rule=rule)
    assert {row["step"] for row in held} == {step}
    export(held, tmp_path / "rejected.jsonl")
    lines = [
        json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for number, line in enumerate(lines):
        line["row"]["reply"] = f"Restart the app number {number} and sign in again, then it works as before."
    mended = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "rejected.jsonl").write_text(mended, encoding="utf-8")
    try:
        assert readmit(workspace, held, tmp_path / "rejected.jsonl") == len(held) > 0
        after, _ = checked(settings)
    finally:
        (workspace / "fixed_rows.jsonl").unlink(missing_ok=True)
    assert after["rows"]["in"] == before["rows"]["in"]
    assert after["rows"]["quarantined"] == before["rows"]["quarantined"] - len(held)
    assert after["rows"]["kept"] == before["rows"]["kept"] + len(held)
    assert after["rows"]["duplicates"] == before["rows"]["duplicates"]
    left = read_table(Path(after["run_dir"]))
    assert len(left) == after["rows"]["in"] - after["rows"]["kept"]
    assert not {row["row_id"] for row in held} & {row["row_id"] for row in left}


def test_rows_mended_of_other_logs_leave_a_plan_sure(
    logs: Path, prefect_server: None, workspace: Path
) -> None:
    from flows.planning import plan_run

    settings = settings_of(workspace, logs)
    checked(settings)
    add_fixed(workspace, [{"row_id": "of other logs", "line": 0, "history": []}])
    try:
        fates = {one["name"]: one["fate"] for one in plan_run(settings)["parts"]}
    finally:
        (workspace / "fixed_rows.jsonl").unlink()
    assert fates["readmission"] == "run"
    assert [fates[name] for name in ("formation", "example_validation", "assembly")] == ["cached"] * 3


def test_a_repeat_says_where_the_other_row_lies_and_a_mended_row_where_it_lay(
    workspace: Path, prefect_server: None, tmp_path: Path
) -> None:
    rows = sample(40)
    broken = {**rows[0], "conversation_id": "broken", "requester": "r9", "reply": ""}
    again = {**rows[5], "conversation_id": "again", "created": "2030-01-01T00:00:00Z"}
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text("".join(json.dumps(row) + "\n" for row in [*rows, broken]), encoding="utf-8")
    second.write_text("".join(json.dumps(row) + "\n" for row in [again]), encoding="utf-8")
    settings = settings_of(workspace, first, second)
    table = read_table(Path(checked(settings)[0]["run_dir"]))
    (repeat,) = [row for row in table if row["file"] == "second.jsonl"]
    assert repeat["reason"].endswith(" (first.jsonl, line 6)")
    (held,) = [row for row in table if row["rule"] == "has a reply" and row["line"] == 41]
    try:
        fix(workspace, held, {"reply": "So."})
        table = read_table(Path(checked(settings)[0]["run_dir"]))
    finally:
        (workspace / "fixed_rows.jsonl").unlink(missing_ok=True)
    (filtered,) = [row for row in table if row["row_id"] == held["row_id"]]
    assert filtered["fate"] == "filtered"
    assert (filtered["file"], filtered["line"]) == ("first.jsonl", 41)


def test_the_newest_are_held_out_when_asked(workspace: Path, prefect_server: None, tmp_path: Path) -> None:
    paths = [SAMPLE / "2026-07.jsonl", SAMPLE / "2026-09.jsonl"]
    for path in paths:
        (tmp_path / path.name).write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:100]))
    by_time = FormatSettings(split="time", held_out_from="2026-09-01")
    settings = settings_of(workspace, *sorted(tmp_path.glob("*.jsonl")), format=by_time)
    outcome, _ = checked(settings)
    assert outcome["rows"]["held_out"] > 20
    assert outcome["reasons"].get("filtered: straddles the split", 0) > 0


def test_a_log_that_could_be_read_in_two_ways_is_refused(
    workspace: Path, prefect_server: None, tmp_path: Path
) -> None:
    from tasks.core.errors import DataError

    rows = [{"id": number, "prompt": "a b c", "question": "d e f", "answer": "g h i"} for number in range(30)]
    path = tmp_path / "two.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match="question") as refused:
        checked(settings_of(workspace, path))
    assert "--set" in refused.value.cure
    named = LogsSettings(paths=(str(path),), fields=Fields(question=("prompt",), reply="answer"))
    with pytest.raises(DataError, match="kept") as none:
        checked(settings_of(workspace, path, logs=named))
    assert none.value.record is not None
    assert none.value.record["rows"]["in"] == 30


def test_logs_with_a_header_only_are_told_by_their_name(
    workspace: Path, prefect_server: None, tmp_path: Path
) -> None:
    from tasks.core.errors import DataError

    (tmp_path / "head.csv").write_text("id,question,reply\n")
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(DataError, match=r"The logs hold no row: .* in head\.csv, none\.csv\. Check"):
        checked(settings_of(workspace, tmp_path / "head.csv", tmp_path / "none.csv"))
