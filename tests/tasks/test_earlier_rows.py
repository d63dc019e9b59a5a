"""Rows that the champion was judged by come back once today's logs do not hold them; no others do, and nobody's who is forgotten."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.core.intake.canonical import SCHEMA
from tasks.core.receipts import (
    EarlierRows,
    ExampleShard,
    Formation,
    KnownDataset,
    TokenRows,
    ValidCleanLogs,
    ValidExamples,
    Verdicts,
)
from tasks.core.registry.tracing import find_dataset
from tasks.core.selection.hashing import HASHES, hash_rows
from tasks.core.selection.verdicts import VERDICTS
from tasks.core.store.artifacts import drafting
from tasks.core.store.rows import ROWS, write_table
from tasks.core.store.tombstones import NOBODY, Tombstones, add_tombstones
from tasks.core.tokens.storing import HELD_OUT, TokenRow, load_token_rows, save_token_rows

HISTORY = pa.schema([SCHEMA.field("history")])
EVERY = 1000
Row = dict[str, Any]


def row(number: int, *, split: str = "held_out", said: str = "", who: str = "") -> Row:
    words = (
        said
        or f"the {'abcdefghij'[number % 10]}{number} lantern hums since day {number} and stops at {number * 7}"
    )
    return {
        "row_id": f"{number:016x}",
        "requester": who or f"asker{number}@example.org",
        "conversation": f"talk-{number}",
        "created": "2026-01-05T10:00:00+00:00",
        "history": [],
        "question": words,
        "reply": f"{words}, so please unplug it and wait",
        "split": split,
    }


def tokens(of: Row, piece: str = "") -> TokenRow:
    return TokenRow(of["row_id"] + piece, f"g-{of['requester']}", "en", "p", [5, 6, 7, 1], 2)


@dataclass
class Past:
    """A store with the dataset of a champion; today's rows are written beside it."""

    place: Path
    known: KnownDataset

    def gather(
        self, today: Sequence[Row], most: int = EVERY, tombstones: Tombstones = NOBODY
    ) -> tuple[EarlierRows, list[str]]:
        from tasks.earlier_gathering import gather_earlier_rows

        shutil.rmtree(self.place / "today", ignore_errors=True)
        (self.place / "today").mkdir()
        write_table(self.place / "today" / HASHES, hash_rows(today))
        verdicts = {
            "place": pa.array(range(len(today)), pa.int32()),
            "split": [one["split"] for one in today],
            "group": [f"g-{one['requester']}" for one in today],
        }
        write_table(self.place / "today" / VERDICTS, pa.table(verdicts))
        digest = f"today of {len(today)} {most} {[one['row_id'] for one in today]} {[one['split'] for one in today]}"
        part = Verdicts(path="today", digest=f"verdicts {digest}")
        found: EarlierRows = gather_earlier_rows.task.fn(
            self.place,
            self.known,
            (ValidCleanLogs(path="today", digest=f"clean {digest}"),),
            Formation(path="today", digest=f"formation {digest}", parts=(part,)),
            tombstones,
            most,
        )
        return found, [one.row_id for one in load_token_rows(found.folder(self.place) / HELD_OUT)]


def stored(place: Path, rows: Sequence[Row], token_rows: Sequence[TokenRow]) -> KnownDataset:
    """Store a dataset as the steps do."""
    with drafting(place, "example_validation", "e1", {}) as draft:
        nothing = pa.array([one["history"] for one in rows], HISTORY.field("history").type)
        table = pa.Table.from_pylist([{**one, "history": None} for one in rows])
        write_table(
            draft.folder / ROWS, table.set_column(table.column_names.index("history"), "history", nothing)
        )
        shard = draft.seal(ExampleShard)
    with drafting(place, "assembly", "a1", {}) as draft:
        (draft.folder / "shards.jsonl").write_text("")
        examples = draft.seal(ValidExamples, shards=(shard,))
    with drafting(place, "token_gathering", "t1", {}) as draft:
        save_token_rows(draft.folder / HELD_OUT, token_rows)
        return KnownDataset(examples=examples, rows=draft.seal(TokenRows))


OLD = [row(number) for number in range(1, 7)]
TAUGHT = row(20, split="train")


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    pieces = [tokens(OLD[0], "/1"), tokens(OLD[0], "/2"), *map(tokens, OLD[1:])]
    return Past(tmp_path, stored(tmp_path, [*reversed(OLD), TAUGHT], pieces))


def test_all_held_out_rows_come_back_once_the_logs_have_rotated(past: Past) -> None:
    found, ids = past.gather([row(50), row(51, split="train")])
    one, *others = (old["row_id"] for old in OLD)
    assert ids == [f"{one}/1", f"{one}/2", *others]
    assert found.counts == {"rows": 7, "requesters": 6, "forgotten": 0}


def test_what_todays_rows_hold_or_resemble_does_not(past: Past) -> None:
    alike = row(52, split="train", said=OLD[2]["question"])
    today = [OLD[0], {**OLD[1], "split": "train"}, alike, row(53, split="train", who=OLD[3]["requester"])]
    _, ids = past.gather(today)
    assert ids == [OLD[4]["row_id"], OLD[5]["row_id"]]  # the fourth asker is taught today
    _, beside = past.gather([row(53, who=OLD[3]["requester"])])
    assert OLD[3]["row_id"] in beside  # and is held out there


def test_no_more_are_taken_than_asked_for_and_the_same_ones_each_time(past: Past) -> None:
    _, ids = past.gather([row(50)], most=2)
    assert ids == [f"{OLD[0]['row_id']}/1", f"{OLD[0]['row_id']}/2", OLD[1]["row_id"]]
    nothing, none = past.gather([*OLD, row(50)])
    assert (nothing.counts["rows"], none) == (0, [])


@pytest.mark.parametrize(
    "marked",
    [
        ("requester", OLD[2]["requester"]),
        ("conversation", OLD[2]["conversation"]),
        ("record", OLD[2]["row_id"][:16]),
    ],
)
def test_rows_of_whoever_is_forgotten_never_come_back(past: Past, marked: Any) -> None:
    tombstones = add_tombstones(past.place, [marked], ())
    found, ids = past.gather([row(50)], tombstones=tombstones)
    assert OLD[2]["row_id"] not in ids
    assert found.counts == {"rows": 6, "requesters": 5, "forgotten": 1}


def test_a_record_goes_with_each_of_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    other = {**row(9), "row_id": f"{OLD[0]['row_id']}#2"}  # of the same record, somebody else asks
    past = Past(tmp_path, stored(tmp_path, [OLD[0], other], [tokens(OLD[0]), tokens(other)]))
    tombstones = add_tombstones(tmp_path, [("requester", OLD[0]["requester"])], ())
    found, ids = past.gather([row(50)], tombstones=tombstones)
    assert (ids, found.counts["forgotten"]) == ([], 2)


def test_a_dataset_is_found_by_its_digests_and_only_whole(past: Past) -> None:
    examples, rows = past.known.examples, past.known.rows
    assert find_dataset(past.place, examples.digest, rows.digest) == past.known
    assert find_dataset(past.place, examples.digest, "another") is None
    assert find_dataset(past.place, "another", rows.digest) is None
    assert find_dataset(past.place / "elsewhere", examples.digest, rows.digest) is None
    torn = examples.shards[0].folder(past.place) / ROWS
    torn.write_bytes(torn.read_bytes()[:-9])
    assert find_dataset(past.place, examples.digest, rows.digest) is None


def test_a_cleared_dataset_is_not_found(past: Past) -> None:
    shutil.rmtree(past.known.rows.folder(past.place))
    assert find_dataset(past.place, past.known.examples.digest, past.known.rows.digest) is None


def test_what_is_asked_is_in_the_key(past: Past) -> None:
    from tasks.earlier_gathering import gather_earlier_rows

    def key(known: KnownDataset, tombstones: Tombstones, most: int) -> str:
        formation = Formation(path="f", digest="f", parts=())
        values = {"known": known, "clean": (), "formation": formation, "tombstones": tombstones, "most": most}
        return gather_earlier_rows.lid.key(values)

    other = past.known.model_copy(update={"rows": past.known.rows.model_copy(update={"digest": "x"})})
    somebody = add_tombstones(past.place, [("requester", "ann")], ())
    keys = {
        key(past.known, NOBODY, 5),
        key(other, NOBODY, 5),
        key(past.known, somebody, 5),
        key(past.known, NOBODY, 6),
    }
    assert len(keys) == 4
    moved = past.known.rows.model_copy(update={"path": "elsewhere"})
    assert key(past.known.model_copy(update={"rows": moved}), NOBODY, 5) in keys
