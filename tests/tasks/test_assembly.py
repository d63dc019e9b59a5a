"""Examples that are too few, or all on one side, are refused with the figures and the settings that cure it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.assembly import assemble_examples
from tasks.core.errors import DataError
from tasks.core.receipts import ExampleShard, RawLogs
from tasks.core.selection.signatures import key_of_text
from tasks.core.selection.verdicts import Rules, rules_of
from tasks.core.settings import CleaningSettings, FormatSettings
from tasks.core.store.artifacts import drafting
from tasks.core.store.ledger import Entry, account, write_ledger
from tasks.core.store.rows import ROWS, write_table


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    return tmp_path


def rules(**form: Any) -> Rules:
    return rules_of(CleaningSettings(), FormatSettings(**form))


def examples(place: Path, groups: int, rows: int = 24) -> ExampleShard:
    """Give examples of so many requesters or conversations, none of which is held out."""
    names = [f"{key_of_text(f'asker {row % groups}'):016x}" for row in range(rows)]
    counts = {"in": rows, "kept": rows, "quarantined": 0, "filtered": 0, "duplicates": 0, "over_length": 0}
    with drafting(place, "example_validation", "e1", {}) as draft:
        write_table(draft.folder / ROWS, pa.table({"group": names}))
        return draft.seal(ExampleShard, counts=counts | {"train": rows, "held_out": 0})


@pytest.mark.parametrize(
    ("form", "groups", "message", "cure"),
    [
        (
            {},
            8,
            "No row is held out: 24 rows are of 8 requesters (the column of logs.fields.requester names them), and ",
            "Use `--set format.held_out=0.2` or `--set format.split=conversation`, or give logs of more requesters.",
        ),
        ({}, 1, "are of 1 requester (", "Use `--set format.split=conversation`, or give"),
        (
            {"split": "conversation"},
            8,
            "24 rows are of 8 conversations, and format.held_out=0.1",
            "Use `--set format.held_out=0.2`, or give logs of more conversations.",
        ),
        (
            {"split": "time", "held_out_from": "2026-09-01"},
            8,
            "none of 24 rows is as new as format.held_out_from=2026-09-01",
            "`--set format.split=requester`",
        ),
    ],
)
def test_a_split_that_holds_nothing_out_is_told_with_what_would(
    place: Path, form: dict[str, Any], groups: int, message: str, cure: str
) -> None:
    with pytest.raises(DataError) as refused:
        assemble_examples.task.fn(place, (examples(place, groups),), (), rules(**form), 0.3, 10)
    assert message in refused.value.message
    assert cure in refused.value.cure


def collected(place: Path, kept: int, **rules: int) -> tuple[RawLogs, ExampleShard]:
    """Give what collection and the last door made of a shard some of whose rows broke rules."""
    entries = [
        Entry(f"{rule} {number}", number, "quarantined", rule, "why", row={"raw": "text"})
        for rule, count in rules.items()
        for number in range(1, count + 1)
    ]
    counts = account({"in": kept + len(entries)}, kept, entries)
    with drafting(place, "collection", "c1", {}) as draft:
        write_ledger(draft.folder, "collection", entries)
        raw = draft.seal(RawLogs, counts=counts)
    with drafting(place, "example_validation", "e2", {}) as draft:
        write_ledger(draft.folder, "example_validation", [])
        return raw, draft.seal(ExampleShard, counts=counts | {"train": kept, "held_out": 0})


def test_too_many_rows_in_quarantine_are_told_with_the_rules_that_they_break(place: Path) -> None:
    raw, shard = collected(place, 76, columns=3, not_utf8=118, not_csv=2, cut_off=1)
    with pytest.raises(DataError) as refused:
        assemble_examples.task.fn(place, (shard,), (raw,), rules(), 0.3, 10)
    assert refused.value.message == (
        "124 of 200 rows (62%) went to quarantine, most often for not_utf8 (118), columns (3), not_csv (2); "
        "quality.max_quarantined allows 30%."
    )
    assert "`iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW`" in refused.value.cure


def test_rows_of_which_none_is_kept_are_told_with_the_rules_too(place: Path) -> None:
    raw, shard = collected(place, 0, not_json=4)
    with pytest.raises(DataError, match=r"None of the 4 rows was kept: not_json \(4\)\.") as refused:
        assemble_examples.task.fn(place, (shard,), (raw,), rules(), 1.0, 10)
    assert "quarantine list --all" in refused.value.cure
