"""Every form of log file is unpacked to the same records, in bounded memory."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from log_forms import FORMS, ROWS, TABLE, peak_of, read_all, unpack_here, write
from pyarrow import parquet

from tasks.core.files.containers import kind_of
from tasks.core.files.cutting import HeldBack
from tasks.core.files.finding import find_sources
from tasks.core.files.unpacking import Unpacked, unpack
from tasks.core.intake.collecting import record_id, tell_apart

DISTANT = ("a.jsonl", "a.csv.zst", "a.parquet", "a.parquet.gz", "ids.json")


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_told_and_gives_the_same_records(tmp_path: Path, name: str) -> None:
    data, kind = FORMS[name]
    source = write(tmp_path / name, data)
    assert kind_of(source) == kind
    results, done = unpack_here(source, kind)
    records = [record for _, _, record in results if isinstance(record, dict)]
    assert records == (ROWS[:1] if name.startswith("one") else ROWS)
    assert done.held_back is None
    assert done.blank == 0


def test_a_distant_file_is_told_and_unpacked_like_one_here(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe({f"/distant/{name}": FORMS[name][0] for name in DISTANT})
    for source in find_sources(["memory://distant"]):
        done = unpack(source, *kind_of(source), tmp_path / source.name, max_unpacked=2**30, id_field="id")
        assert [record for _, _, record in read_all(done, tmp_path / source.name)] == ROWS


def test_equal_records_have_equal_ids_in_every_layout(tmp_path: Path) -> None:
    seen = set()
    for name in ("a.json", "pretty.json", "a.json.gz", "row-a-line.json"):
        results, _ = unpack_here(write(tmp_path / name, FORMS[name][0]), FORMS[name][1])
        seen.add(tuple(record_id(raw) for _, raw, _ in results))
    assert len(seen) == 1


def test_the_second_of_equal_rows_has_a_name_of_its_own() -> None:
    names = tell_apart([record_id(raw) for raw in (b"a", b"b", b"a")])
    assert names[2] == f"{names[0]}-2"
    assert len(set(names)) == 3


def test_a_table_cut_at_every_byte_gives_whole_rows_and_holds_the_rest_back(tmp_path: Path) -> None:
    ends = [TABLE.index(b"\n") + 1]
    while ends[-1] < len(TABLE):
        ends.append(TABLE.index(b'is."\r\n', ends[-1]) + 6)
    for length in range(len(TABLE) + 1):
        source = write(tmp_path / "a.csv", TABLE[:length])
        results, done = unpack_here(source, ("csv", ""))
        whole = [end for end in ends if end <= length]
        assert [record for _, _, record in results] == ROWS[: max(0, len(whole) - 1)]
        left = length - (whole[-1] if whole else 0)
        assert done.held_back == (HeldBack(max(1, len(whole) * 2), left) if left else None) or left < 3


@pytest.mark.parametrize("name", ["a.json", "pretty.json", "ids.json"])
def test_json_cut_at_every_byte_gives_whole_records_and_holds_the_rest_back(
    tmp_path: Path, name: str
) -> None:
    data = FORMS[name][0]
    for length in range(10, len(data) + 1):
        results, done = unpack_here(write(tmp_path / name, data[:length]), ("json", ""))
        records = [record for _, _, record in results]
        assert records == ROWS[: len(records)]
        inner = 1 if name.startswith("ids") else 0
        assert len(records) == data[:length].count(b"}") - (inner and length > data.rindex(b"}"))
        rest = data[:length].rpartition(b"}")[2].strip(b" \n,[]\xef\xbb\xbf")
        assert (done.held_back is not None) == (rest not in (b"", b"{"[:inner]))


@pytest.mark.parametrize("form", ["csv", "json", "ids.json", "jsonl.gz", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    def make(count: int) -> Path:
        path = tmp_path / f"{count}.{form}"
        texts = [random.Random(number % 50).randbytes(5_000).hex() for number in range(50)]
        records = [{"id": str(number), "text": texts[number % 50]} for number in range(count)]
        if form == "csv":
            path.write_text("id,text\n" + "".join(f'{one["id"]},"{one["text"]}\n"\n' for one in records))
        elif form == "json":
            path.write_text(json.dumps(records, indent=1))
        elif form == "ids.json":
            path.write_text(json.dumps({one["id"]: one for one in records}))
        elif form == "jsonl.gz":
            path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in records).encode(), 1))
        else:
            table = pa.Table.from_pylist(records)
            parquet.write_table(table, path, row_group_size=500, use_dictionary=False)
        return path

    small, large, _, state = peak_of(make(1_000), make(6_000))
    assert state == "6000"
    assert large < small + 12


ENDLESS = {"line.csv": b"a,b\n1,", "cell.csv": b'a,b\n1,"\n', "text.json": b'[{"a": "', "key.json": b'{"a'}


@pytest.mark.parametrize("name", ENDLESS)
def test_memory_does_not_grow_with_one_line(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"short-{name}", ENDLESS[name] + b"x" * 2**18)
    write(tmp_path / name, ENDLESS[name] + b"x" * 2**26)
    short, long, _, state = peak_of(tmp_path / f"short-{name}", tmp_path / name)
    assert state == "0" or "has no end" in state
    assert long < short + 12


def test_parts_are_bounded_and_end_where_their_content_says(tmp_path: Path) -> None:
    rows = [{"id": str(number), "text": "x" * (number % 40)} for number in range(3_000)]

    def unpacked(some: list[dict[str, str]]) -> tuple[list[Any], Unpacked]:
        return unpack_here(
            write(tmp_path / "a.json", json.dumps(some).encode()), ("json", ""), least=2_000, most=9_000
        )

    results, done = unpacked(rows)
    assert [record for _, _, record in results] == rows
    assert [line for line, _, _ in results] == list(range(1, 3_001))
    assert all(2_000 <= part.length <= 9_000 for part in done.parts[:-1])
    assert [part.name for part in done.parts[:2]] == ["part-00000.jsonl", "part-00001.jsonl"]
    assert done.parts[1].first_line == done.parts[0].records + 1
    _, longer = unpacked(rows + rows)
    assert longer.parts[: len(done.parts) - 1] == done.parts[:-1]
    _, shorter = unpacked(rows[1:])
    counts = [
        {sum(part.records for part in one.parts[number:]) for number in range(len(one.parts))}
        for one in (done, shorter)
    ]
    assert len(counts[0] & counts[1]) > len(counts[0]) // 2
