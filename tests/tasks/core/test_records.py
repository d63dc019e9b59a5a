"""A bad record of a table, of JSON or of Parquet costs itself alone; a file without records is refused."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from log_forms import FORMS, rows_as_parquet, unpack_here, write

from tasks.core.errors import DataError
from tasks.core.files.containers import kind_of
from tasks.core.files.parsing import MAX_LINE, Unreadable
from tasks.core.files.unpacking import Unpacked


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=9)), max_size=3),
    st.none() | st.binary(max_size=99),
)
@example("a.json", [], b"17")
def test_a_file_of_any_bytes_is_read_or_refused_in_a_sentence(
    tmp_path: Path, name: str, edits: list[tuple[float, int, bytes]], other: bytes | None
) -> None:
    data = FORMS[name][0] if other is None else other
    for where, length, piece in edits:
        at = int(where * len(data))
        data = data[:at] + piece + data[at + length :]
    source = write(tmp_path / name, data)
    try:
        results, _ = unpack_here(source, kind_of(source))
    except DataError:
        return
    assert all(isinstance(record, (dict, Unreadable)) for _, _, record in results)


def table(tmp_path: Path, data: bytes, form: str = "csv") -> tuple[list[Any], Unpacked]:
    return unpack_here(write(tmp_path / f"t.{form}", data), (form, ""))


def test_cells_of_a_table_are_read_exactly(tmp_path: Path) -> None:
    data = 'b, a\n"1,\n2"," ""x"" \u2028"\n\n\x00,=cmd|x\n"",\n'.encode()
    results, done = table(tmp_path, data)
    assert [(line, record) for line, _, record in results] == [
        (2, {"a": ' "x" \u2028', "b": "1,\n2"}),
        (5, {"a": "=cmd|x", "b": "\0"}),
        (6, {"a": "", "b": ""}),
    ]
    assert done.blank == 1


def test_bad_rows_of_a_table_cost_themselves_alone(tmp_path: Path) -> None:
    rows: dict[bytes, str] = {
        b"1,2\n": "",
        b"1\n": "columns",
        b"1,2,3\n": "columns",
        b'1,"2"x\n': "not_csv",
        b'1,"2\n': "not_csv",
        b"3,4\n": "",
        b"1,\xff\n": "not_utf8",
        b"1,a\rb\n": "not_csv",
        b"1," + b"x" * (MAX_LINE + 10) + b"\n": "long_line",
        b"1," + b"\0" * (MAX_LINE // 4) + b"\n": "long_line",
        b'5,"6"\n': "",
    }
    results, done = table(tmp_path, b"a,b\n" + b"".join(rows))
    rules = [record.rule if isinstance(record, Unreadable) else "" for _, _, record in results]
    assert rules == list(rows.values())
    assert [line for line, _, _ in results] == list(range(2, len(rows) + 2))
    assert [raw for _, raw, record in results if isinstance(record, Unreadable)][:2] == [b"1\n", b"1,2,3\n"]
    assert done.held_back is None


def test_a_quote_that_nobody_closes_does_not_swallow_the_rows_after_it(tmp_path: Path) -> None:
    results, done = table(tmp_path, b'a,b\n1,"2\n' + b"3,4\n" * 20_000)
    assert sum(isinstance(record, dict) for _, _, record in results) == 20_000
    assert [record.rule for _, _, record in results if isinstance(record, Unreadable)] == ["not_csv"]
    assert done.held_back is None


def test_quotes_that_always_open_take_bounded_time(tmp_path: Path) -> None:
    lines = 60_000
    results, done = table(tmp_path, b"a,b\n" + b'y","z\n' * lines)
    assert 0 < len(results) <= lines
    assert done.held_back is None or done.held_back.bytes > 0


HEADERS: dict[bytes, str] = {
    b"a,b,a\n": "Column 3",
    b"a,,b\n": "Column 2",
    b"a;b;c\n": r"another delimiter \(`;`\) than",
    b"a\tb\n": r"another delimiter \(a tab\) than",
    b"a;b|c\n": "another delimiter than",
    b'"a"b,c\n': "names no columns",
    b"a,\xffb\n": "not UTF-8",
    b"a" * (MAX_LINE + 2) + b"\n": "names no columns",
}


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:10]))
def test_a_header_that_names_no_columns_is_refused(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(DataError, match=HEADERS[header]) as caught:
        table(tmp_path, header + b"1,2,3\n")
    assert caught.value.cure


def test_an_empty_table_has_no_records(tmp_path: Path) -> None:
    for data in (b"", b"\n\n", b"a,b\n"):
        results, done = table(tmp_path, data)
        assert results == []
        assert done.held_back is None


def json_file(tmp_path: Path, data: bytes, **options: Any) -> tuple[list[Any], Unpacked]:
    return unpack_here(write(tmp_path / "j.json", data), ("json", ""), **options)


def test_bad_elements_cost_themselves_alone(tmp_path: Path) -> None:
    elements = {
        b'{"a": "]}[{,\\"\\\\"}': "",
        b'{"a": NaN}': "not_finite",
        b'{"a": 1, "a": 2}': "repeated_key",
        b'{"a": "\xff"}': "not_utf8",
        b"17": "not_an_object",
        b"{'a': 1}": "not_json",
        b'{"a": 1}}': "extra_data",
        b'{"a": "' + b"x" * MAX_LINE + b'"}': "long_line",
        b'{"a":\n{"b": 12345678901234567890123}}': "",
    }
    results, done = json_file(tmp_path, b"[" + b" ,\n".join(elements) + b", ]\n")
    rules = [record.rule if isinstance(record, Unreadable) else "" for _, _, record in results]
    assert rules == list(elements.values())
    assert [line for line, _, _ in results] == list(range(1, len(elements) + 1))
    assert done.blank == 1


def test_what_cannot_be_a_record_keeps_its_text(tmp_path: Path) -> None:
    results, _ = table(tmp_path, b'a,b\n"1,\n2"\n\xff,2\n')
    assert [(line, raw) for line, raw, _ in results] == [(2, b'"1,\n2"\n'), (4, b"\\xff,2\n")]


def test_a_record_of_an_object_gets_its_key_as_id_unless_it_has_one(tmp_path: Path) -> None:
    data = rb'{"1": {"a": 1}, "\u0032": {"id": "x"}, "3": [], "4" {}, "5": {"a": NaN}}'
    results, _ = json_file(tmp_path, data)
    shown = [record.rule if isinstance(record, Unreadable) else record for _, _, record in results]
    assert shown == [{"id": "1", "a": 1}, {"id": "x"}, "not_an_object", "not_json", "not_finite"]
    without, _ = json_file(tmp_path, data, id_field="")
    assert without[0][2] == {"a": 1}


NO_RECORDS: dict[bytes, str] = {
    b'{"data": [{"a": 1}], "count": 1}': "neither a list of records",
    b"[1, 2]": "neither a list of records",
    b'"text"': "holds no JSON list or object",
    b"": "holds no JSON list or object",
    b'[{"a": 1}] [{"a": 2}]': "more after the end",
    b'[{"a": 1}]\n{"a": 2}': "more after the end",
    b'[{"a": "' + b"x" * 2 * MAX_LINE: "has no end",
}


@pytest.mark.parametrize("data", NO_RECORDS, ids=lambda data: repr(data[:20]))
def test_json_without_records_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=NO_RECORDS[data]) as caught:
        json_file(tmp_path, data)
    assert caught.value.cure


def test_an_empty_list_has_no_records(tmp_path: Path) -> None:
    for data in (b"[]", b" [ ]\n", b"{}"):
        results, done = json_file(tmp_path, data)
        assert results == []
        assert (done.held_back, done.blank) == (None, 0)


def columns(tmp_path: Path, **values: Any) -> list[Any]:
    data = rows_as_parquet(pa.table(values))
    results, _ = unpack_here(write(tmp_path / "v.parquet", data), ("parquet", ""))
    return [record for _, _, record in results]


def test_values_of_parquet_become_those_of_json(tmp_path: Path) -> None:
    when = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    [record] = columns(
        tmp_path,
        when=[when],
        exact=pa.array([1], pa.timestamp("ns")),
        day=[date(2026, 7, 1)],
        price=[Decimal("1E+2")],
        data=["é".encode()],
        turns=[[{"role": "user", "text": None}]],
        names=pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        count=pa.array([2**64 - 1], pa.uint64()),
    )
    assert record == {
        "count": 2**64 - 1,
        "data": "é",
        "day": "2026-07-01",
        "exact": "1970-01-01T00:00:00.000000001",
        "names": [["a", 1]],
        "price": "100",
        "turns": [{"role": "user", "text": None}],
        "when": "2026-07-01T12:30:00+00:00",
    }


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (float("nan"), "not_finite"),
        (b"\xff", "wrong_type"),
        (timedelta(1), "wrong_type"),
        ("x" * MAX_LINE, "long_line"),
    ],
    ids=["NaN", "bytes", "duration", "long"],
)
def test_a_row_of_parquet_with_another_value_is_no_record(tmp_path: Path, value: Any, rule: str) -> None:
    bad, good = columns(tmp_path, a=["b", "c"], v=[value, None])
    assert bad.rule == rule
    assert good == {"a": "c", "v": None}


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    whole = rows_as_parquet()
    middle = len(whole) // 2
    for data in (
        b"PAR1",
        whole[:middle],
        whole[:-4] + b"PAR2",
        whole[:middle] + bytes(8) + whole[middle + 8 :],
    ):
        with pytest.raises(DataError, match="is damaged"):
            unpack_here(write(tmp_path / "d.parquet", data), ("parquet", ""))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    data = rows_as_parquet(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    with pytest.raises(DataError, match="two columns of one name"):
        unpack_here(write(tmp_path / "d.parquet", data), ("parquet", ""))


def test_a_bomb_of_parquet_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    data = rows_as_parquet(pa.table({"a": ["x" * 2**20] * 80}), use_dictionary=False, compression="zstd")
    assert len(data) < 2**20
    with pytest.raises(DataError, match="more than 100 times its size"):
        unpack_here(write(tmp_path / "b.parquet", data), ("parquet", ""))
