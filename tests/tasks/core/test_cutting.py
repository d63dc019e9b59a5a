"""A file of lines is cut where its content says, so that a change moves the shards around it alone."""

import random
from pathlib import Path

import pytest
from log_forms import LINES, ROWS, unpack_here, write

from tasks.core.errors import DataError
from tasks.core.files.cutting import HeldBack, Range, cut_lines, read_range
from tasks.core.files.parsing import Unreadable, read_lines


def lines_of(count: int, start: int = 0) -> list[bytes]:
    chance = random.Random(start)
    return [
        b'{"n": %d, "t": "%s"}\n' % (number, b"x" * chance.randrange(60))
        for number in range(start, start + count)
    ]


def insist_on_whole(path: Path, ranges: list[Range], most: int) -> None:
    data = path.read_bytes()
    start, line = 0, 1
    for one in ranges:
        assert (one.start, one.first_line) == (start, line)
        assert 0 < one.length <= most
        piece = read_range(path, one.start, one.length, one.digest)
        assert piece.count(b"\n") == one.lines
        start, line = start + one.length, line + one.lines
    assert start == len(data)
    assert line == data.count(b"\n") + 1


@pytest.mark.parametrize(("least", "most"), [(1, 100), (500, 600), (2_000, 10_000), (10**6, 10**7)])
def test_ranges_hold_every_line_once(tmp_path: Path, least: int, most: int) -> None:
    source = write(tmp_path / "a.jsonl", b"".join(lines_of(1_000)))
    ranges, held_back = cut_lines(Path(source.location), least=least, most=most)
    assert held_back is None
    insist_on_whole(Path(source.location), ranges, most)
    assert all(one.length >= least for one in ranges[:-1] if most - least > 100)


def test_lines_put_in_early_move_few_boundaries(tmp_path: Path) -> None:
    lines = lines_of(20_000)
    path = tmp_path / "a.jsonl"

    def digests(all_lines: list[bytes]) -> list[str]:
        path.write_bytes(b"".join(all_lines))
        return [one.digest for one in cut_lines(path, least=10_000, most=50_000)[0]]

    before = digests(lines)
    assert len(before) > 30
    for count in (1, 100, 500):
        after = digests(lines[:40] + lines_of(count, 50_000) + lines[40:])
        assert len(set(before) & set(after)) >= len(before) * 0.8
    assert digests(lines + lines_of(50, 70_000))[: len(before) - 1] == before[:-1]


def test_a_line_longer_than_any_shard_stands_alone_and_only_its_beginning_is_read(tmp_path: Path) -> None:
    giant = b'{"a": "' + b"x" * 5_000_000 + b'"}\n'
    path = tmp_path / "a.jsonl"
    for before, after in ((LINES, LINES), (b"", LINES), (LINES, b"")):
        path.write_bytes(before + giant + after)
        ranges, held_back = cut_lines(path, least=2**20, most=2**21)
        assert held_back is None
        results = [
            result
            for one in ranges
            for result in read_lines(read_range(path, one.start, one.length, one.digest), one.first_line)
        ]
        rules = [record.rule for _, _, record in results if isinstance(record, Unreadable)]
        assert rules == ["long_line"]
        count = (before + after).count(b"\n") + 1
        assert [line for line, _, _ in results] == list(range(1, count + 1))
    path.write_bytes(LINES + giant[:-1])
    ranges, held_back = cut_lines(path, least=2**20, most=2**21)
    assert [one.lines for one in ranges] == [3]
    assert held_back == HeldBack(4, len(giant) - 1)


def test_an_empty_file_has_no_ranges(tmp_path: Path) -> None:
    assert cut_lines(Path(write(tmp_path / "a.jsonl", b"").location)) == ([], None)


def test_a_range_that_changed_is_refused(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.jsonl", LINES).location)
    [(one)], _ = cut_lines(path)
    path.write_bytes(LINES + LINES)
    assert read_range(path, one.start, one.length, one.digest) == LINES
    for changed in (LINES.replace(b"How", b"Who"), LINES[:-1], b""):
        path.write_bytes(changed)
        with pytest.raises(DataError, match="changed while it was read"):
            read_range(path, one.start, one.length, one.digest)


def test_lines_cut_at_every_byte_are_rows_or_held_back(tmp_path: Path) -> None:
    whole = b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n", 1)
    for length in range(len(whole) + 1):
        data = whole[:length]
        source = write(tmp_path / "a.jsonl", data)
        ranges, held_back = cut_lines(Path(source.location), least=60, most=200)
        results, done = unpack_here(source, ("jsonl", ""), least=60, most=200)
        rows = [record for _, _, record in results]
        tail = data.removeprefix(b"\xef\xbb\xbf").rpartition(b"\n")[2].strip()
        whole_tail = tail.endswith(b"}")
        assert rows == ROWS[: data.count(b"\n") + whole_tail]
        assert sum(one.lines for one in ranges) == len(rows) + (tail == b"" and length in {3, len(whole) + 1})
        assert (held_back is None) == (whole_tail or not tail)
        assert done.held_back == held_back
        assert held_back is None or held_back.line == data.count(b"\n") + 1
