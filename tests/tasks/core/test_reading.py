"""Whatever a log file holds, each of its lines becomes a row or a rejected line, or the file is refused in a sentence."""

import json
from pathlib import Path

import pytest

from tasks.core.errors import DataError
from tasks.core.text.reading import read_log

COLUMNS = {
    "conversation": ("id",),
    "created": ("created",),
    "requester": ("who",),
    "question": ("subject", "body"),
    "reply": ("reply",),
}
GOOD = {"id": "1", "who": "a", "subject": "Hi", "body": "How?", "reply": "So."}


def write(path: Path, *lines: bytes | dict[str, object]) -> Path:
    parts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(parts))
    return path


def test_columns_are_joined_and_missing_ones_are_empty(tmp_path: Path) -> None:
    rows, rejected = read_log(write(tmp_path / "a.jsonl", GOOD), COLUMNS, "auto")
    assert rejected == []
    assert rows[0]["question"] == "Hi\n\nHow?"
    assert rows[0]["created"] == ""


def test_a_row_id_is_of_its_bytes_alone(tmp_path: Path) -> None:
    alone, _ = read_log(write(tmp_path / "a.jsonl", GOOD), COLUMNS, "auto")
    among, _ = read_log(write(tmp_path / "b.jsonl", {**GOOD, "id": "0"}, GOOD, GOOD), COLUMNS, "auto")
    assert among[1]["row_id"] == alone[0]["row_id"]
    assert among[2]["row_id"] == alone[0]["row_id"] + "-2"


BAD = {
    b"\xff\xfe\x00": "not_utf8",
    b'{"id": "1", "subject": "\xc3"}': "not_utf8",
    b'{"id": "1", "subj': "not_json",
    b"[1, 2]": "not_an_object",
    b"17": "not_an_object",
    b'{"id": NaN}': "not_json",
    b'{"id": "1", "id": "2"}': "repeated_key",
    b'{"id": "1", "reply": "\\ud800"}': "not_utf8",
    b'{"id": "1", "reply": ["a"]}': "wrong_type",
    b'{"id": "1", "subject": 7}': "wrong_type",
    b"[" * 100_000: "not_json",
    b'{"a": "' + b"x" * 2**20 + b'"}': "long_line",
}


@pytest.mark.parametrize(
    ("line", "rule"), BAD.items(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_bad_line_is_rejected_by_its_rule(tmp_path: Path, line: bytes, rule: str) -> None:
    rows, rejected = read_log(write(tmp_path / "a.jsonl", GOOD, line, GOOD), COLUMNS, "auto")
    assert len(rows) == 2
    assert [bad.rule for bad in rejected] == [rule]
    assert rejected[0].line == 2
    assert "reply" not in rejected[0].reason.split(":", 1)[0]


def test_a_csv_file_is_read_like_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffid,who,subject,body,reply\n1,a,Hi,"How, and\nwhy?",So.\n2,b,x\n'.encode())
    rows, rejected = read_log(path, COLUMNS, "auto")
    assert rows[0]["question"] == "Hi\n\nHow, and\nwhy?"
    assert [bad.rule for bad in rejected] == ["columns"]


REFUSED = {
    "empty.jsonl": (b"", "is empty"),
    "blank.jsonl": (b"\n \n", "is empty"),
    "array.jsonl": (b'[{"id": "1"}, {"id": "2"}]', "No line"),
    "binary.jsonl": (bytes(range(256)) * 4, "No line"),
    "other.jsonl": (
        b'{"ticket": 1, "text": "secret words"}',
        "has no column id; its columns are text, ticket",
    ),
    "pack.gz": (b"\x1f\x8b", "ends in none of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_another_shape_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    data, words = REFUSED[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        read_log(tmp_path / name, COLUMNS, "auto")
    assert caught.value.cure
    assert "secret words" not in str(caught.value)
