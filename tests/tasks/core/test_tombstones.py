"""Whoever has a tombstone is not taken in again, whatever form their log has, and nothing of them is kept on the way."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.core.errors import DataError, SettingsError
from tasks.core.files.finding import Source
from tasks.core.files.unpacking import read_part, unpack
from tasks.core.intake.canonical import rows_of
from tasks.core.intake.collecting import Chunk, Collected, collect_chunk, record_id
from tasks.core.intake.forgetting import GONE
from tasks.core.intake.part_veiling import veil
from tasks.core.intake.shapes import Shape
from tasks.core.intake.threads import (
    conversations,
    forgotten_in,
    message_chunk,
    origins,
    part,
    renamed,
    without_words,
)
from tasks.core.settings import LogsSettings
from tasks.core.store.locks import alone, at_work
from tasks.core.store.tombstones import (
    NOBODY,
    TOMBSTONES,
    Tombstones,
    add_tombstones,
    known_versions,
    read_tombstones,
)

ANN, BOB = "ann@example.org", "bob"
COLUMNS = Shape(kind="columns", id="id", requester="who", question=("q",), reply="a")
MESSAGES = Shape(
    kind="messages", id="id", requester="who", role_by="value", role="role", text="text", time="time"
)
MESSAGES = MESSAGES.model_copy(update={"requester_roles": ("user",), "agent_roles": ("agent",)})
TURNS = Shape(kind="turns", id="id", turns="turns", role_by="value", role="role", text="text", speaker="name")
TURNS = TURNS.model_copy(update={"requester_roles": ("user",), "agent_roles": ("agent",)})


def row(who: Any, number: int = 1) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "who": who,
        "q": f"{who} asks about door {number}",
        "a": f"Push door {number}.",
    }


def lines(*records: Any) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in records)


def collected(shape: Shape, tombstones: Tombstones, *records: Any) -> Collected:
    return collect_chunk(Chunk(lines(*records), "lines", 1), shape, tombstones)


@pytest.fixture
def ann(tmp_path: Path) -> Tombstones:
    return add_tombstones(tmp_path, [("requester", ANN)], [])


def test_a_tombstone_holds_no_name_and_is_never_changed(tmp_path: Path) -> None:
    add_tombstones(tmp_path, [("requester", ANN)], ["support/1"])
    first = (tmp_path / TOMBSTONES).read_bytes()
    add_tombstones(tmp_path, [("requester", BOB), ("record", "0123456789abcdef")], [])
    both = (tmp_path / TOMBSTONES).read_bytes()
    assert both.startswith(first)
    assert not any(word in both for word in (b"ann", b"example", b"bob", b"0123456789abcdef"))
    assert (tmp_path / TOMBSTONES).stat().st_mode & 0o077 == 0

    add_tombstones(tmp_path, [("requester", ANN)], ["support/1"])
    assert (tmp_path / TOMBSTONES).read_bytes() == both
    stones = add_tombstones(tmp_path, [("requester", ANN)], ["support/2"])
    assert (tmp_path / TOMBSTONES).read_bytes().startswith(both)
    assert known_versions(stones, ANN) == ("support/1", "support/2")
    assert known_versions(stones, BOB) == ()


def test_a_tombstone_covers_one_kind_and_one_spelling(tmp_path: Path, ann: Tombstones) -> None:
    stones = read_tombstones(tmp_path)
    assert stones == ann
    assert stones.cover("requester", ANN)
    for kind, value in (("requester", "Ann@example.org"), ("requester", ANN + " "), ("conversation", ANN)):
        assert not stones.cover(kind, value)  # type: ignore[arg-type]
    assert not add_tombstones(tmp_path, [("requester", "")], []).cover("requester", "")


def test_a_new_tombstone_is_another_key_and_its_day_is_not(ann: Tombstones, tmp_path: Path) -> None:
    later = Tombstones(stones=tuple(one.model_copy(update={"since": "2001-01-01"}) for one in ann.stones))
    keys = [str(one.in_key()) for one in (NOBODY, ann, later)]
    assert keys[0] != keys[1] == keys[2]
    assert str(add_tombstones(tmp_path, [("requester", BOB)], []).in_key()) not in keys


@pytest.mark.parametrize("text", ["{", '{"kind": "requester"}\n', "\xff"])
def test_tombstones_that_cannot_be_read_stop_the_reading_of_logs(tmp_path: Path, text: str) -> None:
    (tmp_path / TOMBSTONES).write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match="who is to be forgotten"):
        read_tombstones(tmp_path)


def test_nobody_is_forgotten_while_a_run_is_in_progress(tmp_path: Path) -> None:
    with (
        at_work(tmp_path),
        at_work(tmp_path),
        pytest.raises(SettingsError, match="in progress"),
        alone(tmp_path),
    ):
        pass
    with alone(tmp_path):
        assert (tmp_path / "locks").is_dir()


def test_a_forgotten_row_is_counted_by_its_line_alone(ann: Tombstones) -> None:
    broken = {"id": "c9", "who": ANN, "q": ["a list"], "a": "x"}
    done = collected(COLUMNS, ann, row(ANN), row(BOB, 2), broken, row(ANN, 3))
    assert [one["requester"] for one in rows_of(done.table)] == [BOB]
    assert [(one.row_id, one.line, one.fate, one.rule, dict(one.row)) for one in done.entries] == [
        ("forgotten", line, "filtered", "forgotten", {}) for line in (1, 3, 4)
    ]
    before = collected(COLUMNS, NOBODY, row(BOB, 2))
    assert done.table["row_id"].to_pylist() == before.table["row_id"].to_pylist()


def test_a_number_is_forgotten_as_the_log_names_it(tmp_path: Path) -> None:
    stones = add_tombstones(tmp_path, [("requester", "17")], [])
    assert len(collected(COLUMNS, stones, row(17), row(17.0), row("17"), row(170)).table) == 1


def test_a_conversation_goes_with_anyone_who_asks_in_it(tmp_path: Path, ann: Tombstones) -> None:
    def talk(number: int, *names: str) -> dict[str, Any]:
        said = [
            turn
            for name in names
            for turn in (
                {"role": "user", "name": name, "text": f"{name} asks"},
                {"role": "agent", "name": "Kim", "text": "Answered."},
            )
        ]
        return {"id": f"t{number}", "turns": said}

    done = collected(TURNS, ann, talk(1, ANN, BOB), talk(2, BOB), talk(3, BOB, ANN))
    assert done.table["conversation"].to_pylist() == ["t2"]
    assert [one.rule for one in done.entries] == ["forgotten", "forgotten"]
    helper = add_tombstones(tmp_path, [("requester", "Kim")], [])
    assert len(collected(TURNS, helper, talk(2, BOB)).table) == 1  # an agent of that name is no requester


def test_a_record_that_cannot_be_read_is_forgotten_by_its_bytes(tmp_path: Path) -> None:
    torn = f'{{"id": "c1", "who": "{ANN}", "q": "Wh'.encode()
    stones = add_tombstones(tmp_path, [("record", record_id(torn))], [])
    done = collected(COLUMNS, stones, torn, torn + b"y")
    assert [(one.rule, one.fate) for one in done.entries] == [
        ("forgotten", "filtered"),
        (done.entries[1].rule, "quarantined"),
    ]
    assert ANN not in str(done.entries[0])


def message(conversation: str, role: str, who: str, second: int) -> dict[str, Any]:
    text = f"{who or 'somebody'} of {conversation} says {second}"
    return {
        "id": conversation,
        "role": role,
        "who": who,
        "text": text,
        "time": f"2026-01-01T00:00:{second:02}Z",
    }


def threaded(tmp_path: Path, stones: Tombstones, *shards: bytes) -> tuple[list[pa.Table], list[Any]]:
    """Put the messages of shards together, as the two steps do; give what the first one keeps and what the second says."""
    kept = []
    for data in shards:
        table, _ = message_chunk(Chunk(data, "lines", 1), MESSAGES, stones)
        gone = forgotten_in([table])
        kept.append(without_words(renamed(table, gone, stones), gone))
    gone = forgotten_in(kept)
    whole = [renamed(table, gone, stones) for table in kept]
    (tmp_path / "parted").mkdir(exist_ok=True)
    paths = part(whole, origins([one.select(["conversation", "time"]) for one in whole]), tmp_path / "parted")
    return kept, [conversations(path, number, MESSAGES) for number, path in enumerate(paths)]


def test_a_conversation_of_messages_goes_whole_and_counts_once(tmp_path: Path, ann: Tombstones) -> None:
    one = lines(message("x1", "user", ANN, 1), message("x2", "user", BOB, 2), message("x1", "agent", "", 3))
    two = lines(message("x1", "agent", "", 4), message("x2", "agent", "", 5))
    kept, done = threaded(tmp_path, ann, one, two)
    assert "x1" not in str(kept[0].to_pylist())
    assert "ann" not in str([table.to_pylist() for table in kept])
    assert done[0].table["conversation"].to_pylist() == ["x2"]
    entries = [entry for threads in done for entry in threads.entries]
    assert [(entry.rule, entry.fate, dict(entry.row)) for entry in entries] == [("forgotten", "filtered", {})]

    known = add_tombstones(tmp_path, [("conversation", "x1")], [])
    kept, done = threaded(tmp_path, known, one, two)
    assert "x1" not in str([table.to_pylist() for table in kept])
    assert sum(len(threads.entries) for threads in done) == 1


def test_without_tombstones_messages_stay_as_they_are(tmp_path: Path) -> None:
    data = lines(message("x1", "user", ANN, 1), message("x1", "agent", "", 3))
    kept, done = threaded(tmp_path, NOBODY, data)
    assert kept[0].equals(message_chunk(Chunk(data, "lines", 1), MESSAGES)[0])
    assert done[0].table["requester"].to_pylist() == [ANN]


def as_lines(records: list[dict[str, Any]]) -> bytes:
    return gzip.compress(lines(*records, b"{ torn"))


def as_json(records: list[dict[str, Any]]) -> bytes:
    return json.dumps(records).encode()


@pytest.mark.parametrize(
    ("form", "compression", "write"), [("jsonl", "gzip", as_lines), ("json", "", as_json)]
)
def test_an_unpacked_log_keeps_no_forgotten_record_and_every_other_with_its_line(
    form: str,
    compression: str,
    write: Callable[[list[dict[str, Any]]], bytes],
    tmp_path: Path,
    ann: Tombstones,
) -> None:
    records = [row(ANN if number % 3 == 0 else BOB, number) for number in range(30)]
    (tmp_path / "log").write_bytes(write(records))
    source, folder = Source(str(tmp_path / "log"), "log"), tmp_path / "parts"
    parts = unpack(source, form, compression, folder, max_unpacked=2**30).parts
    before = [one for each in parts for one in _numbered(folder, each)]

    logs = LogsSettings(fields={"id": "id", "requester": "who", "question": ("q",), "reply": "a"})  # type: ignore[arg-type]
    veiled = veil(parts, folder, logs, ann, "log")
    after = [one for each in veiled for one in _numbered(folder, each)]
    assert b"ann" not in (folder / veiled[0].name).read_bytes()
    assert [line for line, _, _ in after] == [line for line, _, _ in before]
    gone = [one for one in after if one[2] == GONE]
    assert len(gone) == 10
    assert [one for one in after if one not in gone] == [one for one in before if ANN.encode() not in one[1]]
    assert veiled[0].digest != parts[0].digest
    assert veil(veiled, folder, logs, ann, "log") == veiled


def _numbered(folder: Path, one: Any) -> list[Any]:
    return list(read_part((folder / one.name).read_bytes(), one.kind, one.first_line))
