"""What is left of a requester is found wherever it lies, goes with all that was made from it, and nothing else goes."""

import gzip
import html
import json
import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as some
from markers import files_with

from tasks.core.erasure import contents as opening
from tasks.core.erasure.contents import Unsearchable, contents
from tasks.core.erasure.evidence import Evidence, gather, seen_of_others
from tasks.core.erasure.lineage import WAY
from tasks.core.erasure.log_reading import LogFinds, known_logs, look_through
from tasks.core.erasure.needles import Needles, is_telling, needles_of, pieces_of
from tasks.core.erasure.removal import Plan, plan_removal, remove
from tasks.core.erasure.searching import Hits, search
from tasks.core.intake.canonical import SCHEMA, table_of
from tasks.core.receipts import (
    CleanLogs,
    ExampleShard,
    RawLogs,
    Receipt,
    UnpackedLogs,
    UnpackedPart,
    ValidExamples,
)
from tasks.core.registry.client import Version
from tasks.core.registry.lineage import EXAMPLES_DIGEST, PARENT
from tasks.core.registry.tracing import learned_from, untraceable
from tasks.core.settings import LogsSettings
from tasks.core.store.artifacts import drafting
from tasks.core.store.fixed_rows import FIXED, add_fixed, read_fixed
from tasks.core.store.ledger import Entry, write_ledger
from tasks.core.store.rows import ROWS, write_rows, write_table

ANN, BOB = "ann.lind@example.org", "bob.stone@example.org"
WORDS = "the violet lantern in my greenhouse hums at night"
NEEDLE = b"violet lantern"


@given(
    data=some.binary(max_size=60).map(lambda data: data.replace(b"\x00", b"ab")),
    needles=some.sets(some.text("ab", min_size=8, max_size=12).map(str.encode), max_size=4),
    cuts=some.lists(some.integers(0, 60), max_size=4),
)
def test_needles_are_found_as_by_looking_for_each(data: bytes, needles: set[bytes], cuts: list[int]) -> None:
    for cut, needle in zip(cuts, sorted(needles), strict=False):
        data = data[:cut] + needle + data[cut:]
    assert Needles(needles).within(data) == {needle for needle in needles if needle in data}


def test_a_short_needle_is_none_and_none_find_nothing() -> None:
    assert Needles([b"short"]).within(b"short") == set()
    assert Needles([]).within(b"anything at all") == set()


@pytest.mark.parametrize(
    "text",
    [WORDS, f'"{WORDS}" <b>& so on\n{WORDS}', "Meine Wärmelampe flackert über dem größten Regal jede Nacht"],
)
def test_pieces_of_a_text_are_in_every_way_to_write_it(text: str) -> None:
    needles = Needles(pieces_of(text))
    forms = [text, json.dumps(text), json.dumps(text, ensure_ascii=False), html.escape(text)]
    assert all(needles.within(form.encode()) for form in forms)
    assert needles.within(
        json.dumps({"row": text}, ensure_ascii=False).encode()
    )  # as a run's quarantine holds it


def test_a_plain_word_or_a_common_one_tells_of_nobody() -> None:
    assert is_telling(ANN, "")
    assert not any(is_telling(one, "") for one in ("customer", "r-17"))
    assert not is_telling("support-assistant", '{"name": "support-assistant"}')


def databases(path: Path, *, deleted: bool) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE talk (number INTEGER, said TEXT)")
        database.execute("INSERT INTO talk VALUES (1, ?)", (WORDS,))
        database.commit()
        if deleted:
            database.execute("PRAGMA secure_delete = OFF")
            database.execute("DELETE FROM talk")
        database.commit()


def held_in(path: Path) -> bool:
    return any(NEEDLE in data for data in contents(path, len(NEEDLE) - 1))


def test_what_is_packed_is_looked_into(tmp_path: Path) -> None:
    table = pa.table({"history": [[{"role": "user", "text": WORDS * 40}]], "number": [1]})
    (tmp_path / "a.gz").write_bytes(gzip.compress(WORDS.encode()))
    with pa.CompressedOutputStream(str(tmp_path / "a.zst"), "zstd") as file:
        file.write(WORDS.encode() * 100)
    write_table(tmp_path / "a.arrow", table)
    with (
        pa.OSFile(str(tmp_path / "b.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream,
    ):
        stream.write_table(table)
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    databases(tmp_path / "a.db", deleted=False)
    databases(tmp_path / "deleted.db", deleted=True)
    packed = sorted(tmp_path.iterdir())
    assert len(packed) == 7
    assert [path.name for path in packed if not held_in(path)] == []


def test_what_lies_across_two_blocks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BLOCK", 16)
    for before in range(40):
        (tmp_path / "file").write_bytes(b"." * before + NEEDLE + b"." * 5)
        assert held_in(tmp_path / "file")


@pytest.mark.parametrize("head", [b"\x1f\x8b", b"ARROW1", b"PAR1", b"SQLite format 3\0", b"\xff\xff\xff\xff"])
def test_of_a_damaged_file_nobody_can_tell(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "file").write_bytes(head + b"\x07" * 90)
    with pytest.raises(Unsearchable):
        list(contents(tmp_path / "file", 7))
    assert search(tmp_path, Needles([NEEDLE])).damaged == {tmp_path / "file"}


def row(row_id: str, who: str, text: str) -> dict[str, Any]:
    names = {name: "" for name in SCHEMA.names if SCHEMA.field(name).type == "string"}
    rest = dict.fromkeys(("solved", "votes", "csat", "reopened"))
    about = {"row_id": row_id, "requester": who, "conversation": f"talk-{row_id}", "line": 1, "history": []}
    return {
        **names,
        **rest,
        **about,
        "question": text,
        "reply": "Please turn it off and on again, then wait.",
    }


ANNS = row("a" * 16, ANN, WORDS)
BOBS = row("b" * 16, BOB, "how can I export all of my pictures at once")
LATER = row("c" * 16, BOB, "why does the export of my pictures take so long")


def stored(
    workspace: Path,
    step: str,
    key: str,
    rows: list[dict[str, Any]],
    made_from: Mapping[str, Any],
    *entries: Entry,
    kind: type[Receipt] = RawLogs,
) -> Receipt:
    with drafting(workspace, step, key, made_from) as draft:
        write_table(draft.folder / ROWS, table_of(rows))
        write_ledger(draft.folder, step, entries)
        return draft.seal(kind)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give a workspace of two log parts, of which the first has a row of Ann's; what both became; and a run that used it."""
    place = tmp_path / "ws"
    with drafting(place, "unpacking", "u", {}) as draft:
        (draft.folder / "part-00000.jsonl").write_text(json.dumps({"from": ANN, "text": WORDS}) + "\n")
        part = UnpackedPart(name="part-00000.jsonl", kind="lines", first_line=1, length=1, digest="1" * 64)
        draft.seal(UnpackedLogs, parts=(part,))
    broken = Entry("e" * 16, 3, "quarantined", "not_json", "no object", row={"raw": f'{{"who": "{ANN}", "q'})
    first = stored(place, "collection", "k1", [ANNS, BOBS], {"shard": {"LogShard": "1" * 64}}, broken)
    second = stored(place, "collection", "k2", [LATER], {"shard": {"LogShard": "2" * 64}})
    clean = [
        stored(place, "cleaning", f"{one.path[-2:]}-clean", rows, {"logs": one.in_key()}, kind=CleanLogs)
        for one, rows in ((first, [BOBS]), (second, [LATER]))
    ]
    with drafting(place, "formation", "f", {"shards": [one.in_key() for one in clean]}) as draft:
        parts = []
        for number, one in enumerate(clean):
            (draft.folder / f"{number:04}").mkdir()
            (draft.folder / f"{number:04}" / "verdicts").write_text(str(number))
            write_ledger(draft.folder / f"{number:04}", "formation", [])
            parts.append(draft.part(RawLogs, f"{number:04}", {}, {"logs": one.in_key()}))
        draft.seal(_Parted, parts=tuple(parts))
    examples = [
        stored(place, "example_validation", f"x{number}", rows, {"verdicts": one.in_key()})
        for number, (one, rows) in enumerate(zip(parts, ([BOBS], [LATER]), strict=True))
    ]
    tokens = {"rows": {"TokenRows": "9" * 64}, "shards": [one.in_key() for one in examples]}
    gathered = stored(place, "token_gathering", "t", [], tokens)
    with drafting(place, "adapter_training", "m", {"rows": gathered.in_key()}) as draft:
        (draft.folder / "weights").write_bytes(b"numbers")
        draft.seal(Receipt)
    _leave_run(place, "one", [first, *clean])
    _leave_run(place, "two", [second])
    add_fixed(place, [ANNS, LATER])
    return place


class _Parted(Receipt):
    parts: tuple[RawLogs, ...]


def _leave_run(workspace: Path, name: str, used: list[Receipt]) -> None:
    folder = workspace / "runs" / name
    (folder / "data_docs").mkdir(parents=True)
    (folder / "receipts.json").write_text(json.dumps([one.model_dump(mode="json") for one in used]))
    for file in ("report.html", "samples.json", "replies.txt", "output.log", "data_docs/index.html"):
        (folder / file).write_text(f"<p>{WORDS if name == 'one' else 'nothing'}</p>")
    row_id = ANNS["row_id"] if name == "one" else LATER["row_id"]
    (folder / "outcome.json").write_text(json.dumps({"reason": f"Row {row_id} is wrong."}))


def planned(workspace: Path, requester: str = ANN) -> tuple[Plan, Evidence, Hits, Needles]:
    found = gather(workspace, requester, LogFinds())
    needles = needles_of(requester, found.conversations, found.records, found.texts, "")
    needles = needles.without(seen_of_others(workspace, found, needles)[0])
    hits = search(workspace, needles)
    return plan_removal(workspace, hits), found, hits, needles


def names(plan: Plan, workspace: Path) -> list[str]:
    return [path.relative_to(workspace / "store").as_posix() for path in plan.artifacts]


def test_what_was_made_from_a_row_goes_with_it_and_nothing_else(workspace: Path) -> None:
    plan, found, hits, needles = planned(workspace)
    assert names(plan, workspace) == [
        "token_gathering/t",
        "example_validation/x0",
        "formation/f",
        "cleaning/k1-clean",
        "collection/k1",
        "unpacking/u",
    ]
    assert found.rows == {ANNS["row_id"], "e" * 16}
    assert found.broken == {"e" * 16}

    remove(workspace, plan, found, hits)
    left = {path.parent.name + "/" + path.name for path in (workspace / "store").glob("*/*")}
    assert left == {"collection/k2", "cleaning/k2-clean", "example_validation/x1", "adapter_training/m"}
    assert sorted(path.name for path in (workspace / "runs" / "one").iterdir()) == [
        "outcome.json",
        "receipts.json",
    ]
    assert len(list((workspace / "runs" / "two").iterdir())) == 7
    assert json.loads((workspace / "runs/one/outcome.json").read_bytes()) == {
        "reason": "Row forgotten is wrong."
    }
    assert set(read_fixed(workspace / FIXED)) == {LATER["row_id"]}
    assert search(workspace, needles).paths == []
    assert files_with(workspace, [ANN, WORDS, ANNS["row_id"], ANNS["conversation"]]) == set()


def test_a_removal_that_was_cut_off_anywhere_is_gone_on_with(workspace: Path, tmp_path: Path) -> None:
    whole, *_ = planned(workspace)
    steps = len(whole.artifacts)
    assert steps == 6
    for done in range(steps + 1):
        place = tmp_path / f"cut-{done}"
        shutil.copytree(workspace, place)
        plan, found, hits, _ = planned(place)
        remove(place, replace(plan, artifacts=plan.artifacts[:done]), found, hits)
        assert len(list((place / "store").glob("*/*"))) == 10 - done

        again, found, hits, _ = planned(place)
        assert len(again.artifacts) == steps - done
        remove(place, again, found, hits)
        assert files_with(place, [ANN, WORDS, ANNS["row_id"]]) == set()
        assert len(list((place / "store").glob("*/*"))) == 4
        assert planned(place)[0].removed == ()


def test_whoever_is_not_known_costs_nothing(workspace: Path) -> None:
    plan, found, _, _ = planned(workspace, "carl@example.org")
    assert plan.removed == plan.rewritten == plan.databases == ()
    assert not found.rows


def test_who_asks_late_in_a_talk_takes_the_earlier_words_along(workspace: Path) -> None:
    asked_by_bob = {
        **row("f" * 16 + "#2", BOB, "me too, by the way"),
        "history": [{"role": "user", "text": WORDS}],
    }
    stored(workspace, "collection", "k4", [asked_by_bob], {"shard": {"LogShard": "4" * 64}})
    found = gather(workspace, ANN, LogFinds(records={"f" * 16}))
    assert "f" * 16 + "#2" in found.rows
    assert WORDS in found.texts


def test_words_that_others_say_too_tell_nothing(workspace: Path) -> None:
    same = row("d" * 16, BOB, f"{WORDS}, says {ANN} to me")
    stored(workspace, "collection", "k3", [same], {"shard": {"LogShard": "3" * 64}})
    plan, found, _, needles = planned(workspace)
    assert "collection/k3" not in names(plan, workspace)
    assert seen_of_others(workspace, found, needles)[1] == 1
    assert not any(NEEDLE in one for one in needles.all)


def test_what_runs_left_behind_goes_as_far_as_it_holds_something(workspace: Path) -> None:
    (workspace / "work/tokenization/old").mkdir(parents=True)
    write_rows(workspace / "work/tokenization/old/rows.jsonl", [{"text": WORDS}])
    for name, tokens in (
        ("mine", "/x/token_gathering/t/train.arrow"),
        ("other", "/x/token_gathering/o/a.arrow"),
    ):
        (workspace / "work/adapter_training" / name).mkdir(parents=True)
        (workspace / "work/adapter_training" / name / "plan.json").write_text(json.dumps({"tokens": tokens}))
    (workspace / "damaged/cleaning-k-x").mkdir(parents=True)
    (workspace / "damaged/cleaning-k-x/rows.arrow").write_bytes(b"ARROW1" + b"\x07" * 50)
    (workspace / "logs").mkdir()
    (workspace / "logs/bug-1.txt").write_text(f"KeyError: {ANN}")
    (workspace / "logs/bug-2.txt").write_text("KeyError: 3")
    plan, found, hits, _ = planned(workspace)
    remove(workspace, plan, found, hits)
    left = {
        path.relative_to(workspace).as_posix()
        for path in (*workspace.glob("work/*/*"), *workspace.glob("logs/*"))
    }
    assert {"work/adapter_training/other", "logs/bug-2.txt"} <= left
    assert not left & {"work/adapter_training/mine", "work/tokenization/old", "logs/bug-1.txt"}
    assert not list((workspace / "damaged").iterdir())


def test_an_id_in_a_database_is_replaced_and_its_pages_are_given_back(workspace: Path) -> None:
    path = workspace / "prefect" / "prefect.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE state (id INTEGER PRIMARY KEY, message TEXT, data JSON)")
        rows = [
            (f"Rows {ANNS['row_id']} and {BOBS['row_id']} are wrong.", json.dumps({"why": WORDS}))
            for _ in range(9)
        ]
        database.executemany("INSERT INTO state (message, data) VALUES (?, ?)", rows)
        database.execute("DELETE FROM state WHERE id > 5")
        database.commit()
    plan, found, hits, needles = planned(workspace)
    assert plan.databases == (path,)
    remove(workspace, plan, found, hits)
    with closing(sqlite3.connect(path)) as database:
        told = database.execute("SELECT message, data FROM state").fetchall()
    assert len(told) == 5
    assert told[0][0] == f"Rows forgotten and {BOBS['row_id']} are wrong."
    assert "forgotten" in json.loads(told[0][1])["why"]
    assert search(workspace, needles).paths == []


def test_the_lines_of_a_log_that_are_somebodys_are_counted_and_stay(tmp_path: Path) -> None:
    records = [
        {"id": f"c{n}", "who": (ANN, BOB)[n % 2], "q": "How is it opened?", "a": "Push it."} for n in range(8)
    ]
    text = "".join(json.dumps(one) + "\n" for one in records) + f'{{"who": "{ANN}", "q\n'
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "c.parquet")
    fields = {"id": "id", "requester": "who", "question": ("q",), "reply": "a"}
    paths = (f"{tmp_path}/[abc].*", f"{tmp_path}/gone.jsonl", "s3://key:secret@bucket/d.jsonl")
    logs = LogsSettings(paths=paths, fields=fields)  # type: ignore[arg-type]
    finds = look_through([logs], ANN, tmp_path)
    assert finds.lines == {
        str(tmp_path / name): count for name, count in (("a.jsonl", 5), ("b.jsonl.gz", 5), ("c.parquet", 4))
    }
    assert finds.unread == {f"{tmp_path}/gone.jsonl", "s3://bucket/d.jsonl"}
    assert len(finds.broken) == 1
    assert (tmp_path / "a.jsonl").read_text() == text


STEPS = Path(__file__).parents[3] / "tasks"
WITHOUT_ROWS = {
    "assembly",
    "base_fetching",
    "base_quantization",
    "champion_fetching",
    "gating",
    "harness_evaluation",
    "merging",
    "promotion",
    "registration",
    "trial_choice",
    "weighing",
}


def test_the_versions_that_learned_a_row_are_told_and_not_those_judged_by_it(tmp_path: Path) -> None:
    shards = []
    for digest, split in (("1" * 64, "train"), ("2" * 64, "held_out")):
        with drafting(tmp_path, "example_validation", split, {}) as draft:
            write_table(draft.folder / ROWS, pa.table({"row_id": ["a" * 16], "split": [split]}))
            shards.append(draft.seal(ExampleShard, digest=digest))
    for shard in shards:
        with drafting(tmp_path, "assembly", shard.digest[:8], {}) as draft:
            draft.seal(ValidExamples, shards=(shard,), digest=shard.digest)
    versions = [
        Version("support", number, "run", 0.0, tags={EXAMPLES_DIGEST: digest * 64})
        for number, digest in ((1, "1"), (2, "2"), (3, "3"))
    ]
    assert learned_from(tmp_path, versions, {"a" * 16}) == versions[:1]
    assert learned_from(tmp_path, versions, {"b" * 16}) == []
    assert untraceable(tmp_path, versions) == versions[2:]
    heir, orphan = (
        Version("support", number, "run", 0.0, tags={EXAMPLES_DIGEST: "2" * 64, PARENT: parent})
        for number, parent in ((4, "1"), (5, "9"))
    )
    assert learned_from(tmp_path, [*versions, heir, orphan], {"a" * 16}) == [versions[0], heir]
    assert untraceable(tmp_path, [*versions, heir, orphan]) == [versions[2], orphan]
    assert untraceable(tmp_path, [heir, versions[1]]) == [heir], "nobody knows what version 1 was trained on"
    for path in tmp_path.rglob(ROWS):
        path.unlink()
    assert untraceable(tmp_path, versions) == versions


def test_every_step_can_hold_rows_or_is_known_to_hold_none() -> None:
    found = {
        name for path in STEPS.glob("*.py") for name in re.findall(r'@step\(\s*"(\w+)"', path.read_text())
    }
    assert len(found) > 15
    assert found - set(WAY) == WITHOUT_ROWS


def test_what_runs_read_is_known_from_their_settings(tmp_path: Path) -> None:
    for name, text in (
        ("1", "logs: {paths: [a]}"),
        ("2", "logs: {paths: [a]}"),
        ("3", "logs: {pa"),
        ("4", ""),
    ):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "settings.yaml").write_text(text)
    assert known_logs(tmp_path) == [LogsSettings(paths=("a",))]
