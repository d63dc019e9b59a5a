"""Log files are found once, and told by their names and their first bytes."""

import gzip
import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from log_forms import (
    FORMS,
    LINES,
    TABLE,
    bomb,
    peak_of,
    rows_as_parquet,
    tarred,
    unpack_here,
    write,
    zipped,
    zstd,
)

from tasks.core.errors import DataError, ServiceError
from tasks.core.files.containers import kind_of, open_file
from tasks.core.files.finding import find_sources


def names(*paths: Path | str) -> list[str]:
    return [source.name for source in find_sources([str(path) for path in paths])]


def test_files_folders_and_globs_give_each_file_once_in_the_order_of_locations(tmp_path: Path) -> None:
    for name in (
        "b.jsonl",
        "a.csv",
        "x/c.json.gz",
        "x/y/d.PARQUET",
        "x/notes.txt",
        "x/.hidden.jsonl",
        ".git/e.jsonl",
    ):
        write(tmp_path / name, b"")
    everything = ["a.csv", "b.jsonl", "c.json.gz", "d.PARQUET"]
    assert names(tmp_path) == everything
    assert names(f"{tmp_path}/**/*.*[!t]") == everything
    assert (
        names(tmp_path / "b.jsonl", tmp_path, f"{tmp_path}/*.jsonl", f"file://{tmp_path}/a.csv") == everything
    )
    assert names(f"{tmp_path}/x/*.txt") == ["notes.txt"]


def test_links_are_followed_and_a_ring_of_links_ends(tmp_path: Path) -> None:
    write(tmp_path / "logs" / "b.jsonl", b"")
    (tmp_path / "logs" / "a.jsonl").symlink_to("b.jsonl")
    os.link(tmp_path / "logs" / "b.jsonl", tmp_path / "logs" / "c.jsonl")
    for number in range(3):
        (tmp_path / "logs" / f"ring-{number}").symlink_to(tmp_path / "logs")
    (tmp_path / "other").symlink_to("logs")
    assert names(tmp_path / "logs") == ["a.jsonl"]
    assert names(tmp_path / "other", tmp_path / "logs") == ["a.jsonl"]


def test_a_name_with_glob_letters_is_a_name_first(tmp_path: Path) -> None:
    write(tmp_path / "a[1].jsonl", b"")
    write(tmp_path / "a1.jsonl", b"")
    assert names(tmp_path / "a[1].jsonl") == ["a[1].jsonl"]


def test_a_folder_with_the_ending_of_a_file_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "month.jsonl" / "a.csv", b"")
    assert names(tmp_path / "month.jsonl") == ["a.csv"]


def test_what_a_terminal_would_obey_is_not_in_a_name(tmp_path: Path) -> None:
    write(tmp_path / "a\x1b[31m\n.jsonl", b"")
    assert names(tmp_path) == ["a\ufffd[31m\ufffd.jsonl"]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo.jsonl": (os.mkfifo, "is a FIFO"),
    "socket.jsonl": (make_socket, "is a socket"),
    "null.jsonl": (lambda path: path.symlink_to("/dev/null"), "is a device"),
    "zero.jsonl": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    "dangling.jsonl": (lambda path: path.symlink_to("nowhere"), "is a link to nothing"),
    "ring.jsonl": (lambda path: path.symlink_to(path), "is a link to nothing"),
    "folder.jsonl": (Path.mkdir, "There is no log file"),
    "missing.jsonl": (str, "There is no log file"),
    "x" * 300: (str, "There is no log file"),
}


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.parametrize("how", ["given", "in a folder", "by a glob"])
def test_what_is_no_file_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    make, words = NO_FILES[name]
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    with pytest.raises(DataError, match=words if how == "given" else r"\w") as caught:
        find_sources([{"given": name, "in a folder": ".", "by a glob": f"{name[:3]}*"}[how]])
    assert caught.value.cure


@pytest.mark.parametrize(
    "paths", [(), ("",), ("a\0b",), ("*.nothing",), ("memory://nothing/*.csv",), ("memory://no",)]
)
def test_nothing_is_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"is empty|There is no log file"):
        find_sources(paths)


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.jsonl", b"")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataError, match="may not be read"):
        find_sources([str(tmp_path)])


def test_a_file_that_became_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="not a file"):
        open_file(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="cannot be opened"):
        open_file(tmp_path / "b.jsonl")


@pytest.fixture
def memory() -> Any:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe({"/logs/b.jsonl": LINES, "/logs/x/a.csv.gz": gzip.compress(TABLE), "/logs/notes.txt": b""})
    yield files
    files.store.clear()


def test_urls_are_found_like_paths(memory: Any) -> None:
    assert [source.location for source in find_sources(["memory://logs", "memory://logs/*.jsonl"])] == [
        "memory://logs/b.jsonl",
        "memory://logs/x/a.csv.gz",
    ]
    assert names("memory://logs/**/*.gz") == ["a.csv.gz"]
    assert names("memory://logs/b.jsonl") == ["b.jsonl"]


@pytest.mark.parametrize(
    "url", ["nosuch://ann:secret@host/a.jsonl?key=secret", "zip://a.jsonl::memory://secret"]
)
def test_a_url_that_means_nothing_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(DataError) as caught:
        find_sources([url])
    assert "secret" not in str(caught.value).replace("memory://secret", "")


def test_an_owner_that_does_not_answer_is_worth_a_retry(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(*_: object, **__: object) -> None:
        raise TimeoutError

    [source] = find_sources(["memory://logs/b.jsonl"])
    monkeypatch.setattr(type(memory), "open", hang_up)
    with pytest.raises(ServiceError, match="cannot be read"):
        kind_of(source)
    monkeypatch.setattr(type(memory), "isfile", hang_up)
    with pytest.raises(ServiceError, match="cannot be read"):
        find_sources(["memory://logs/b.jsonl"])


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_told(tmp_path: Path, name: str) -> None:
    data, kind = FORMS[name]
    assert kind_of(write(tmp_path / name, data)) == kind


REFUSED: dict[str, tuple[bytes, str]] = {
    "a.txt": (LINES, "ends in none of"),
    "a.gz": (gzip.compress(LINES), "ends in none of"),
    "a.zip": (zipped(), "is an archive"),
    "a.tar.gz": (tarred("w:gz"), "is an archive"),
    "a.tgz": (tarred("w:gz"), "is an archive"),
    "a.jsonl.gz.gz": (gzip.compress(gzip.compress(LINES)), "packed twice"),
    "inner.jsonl.gz": (gzip.compress(gzip.compress(LINES)), "packed twice"),
    "tar.jsonl.gz": (tarred("w:gz"), "is a tar archive"),
    "tar.jsonl": (tarred(), "is a tar archive"),
    "zip.csv": (zipped(), "is a zip archive"),
    "zip.csv.zst": (zstd(zipped()), "is a zip archive"),
    "book.csv": (b"PK\x03\x04", "is a zip archive"),
    "plain.jsonl.gz": (LINES, "is no gzip file"),
    "empty.jsonl.gz": (b"", "is no gzip file"),
    "packed.jsonl": (gzip.compress(LINES), "is a gzip file"),
    "other.jsonl.gz": (zstd(LINES), "is a zstd file"),
    "rows.parquet": (LINES, "does not begin like Parquet"),
    "rows.jsonl": (rows_as_parquet(), "is a Parquet file"),
    "wide.csv.gz": (gzip.compress(TABLE.decode().encode("utf-16")), "UTF-16"),
    "apple.csv": (TABLE.replace(b"\n", b""), "CR alone"),
    "cut.jsonl.gz": (gzip.compress(LINES)[:-4], "ends too early"),
    "cut.jsonl.zst": (zstd(LINES)[:-4], "ends too early"),
    "damaged.jsonl.gz": (gzip.compress(LINES)[:-8] + b"\0" * 8, "is damaged"),
    "trailing.jsonl.gz": (gzip.compress(LINES) + b"more", "is damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_other_than_it_says_is_refused_with_a_cure(tmp_path: Path, name: str) -> None:
    data, words = REFUSED[name]
    with pytest.raises(DataError, match=words) as caught:
        kind_of(write(tmp_path / name, data))
    assert caught.value.cure


def test_the_format_setting_overrides_the_ending(tmp_path: Path) -> None:
    assert kind_of(write(tmp_path / "a.log", LINES), "jsonl") == ("jsonl", "")
    assert kind_of(write(tmp_path / "a.log.gz", gzip.compress(TABLE)), "csv") == ("csv", "gzip")
    assert kind_of(write(tmp_path / "a.json", LINES), "json") == ("json", "")


def test_a_name_within_a_gzip_file_leads_nowhere(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile("../../outside.jsonl", "wb", fileobj=packed) as file:
        file.write(LINES)
    source = write(tmp_path / "in" / "a.jsonl.gz", packed.getvalue())
    results, done = unpack_here(source, ("jsonl", "gzip"))
    assert len(results) == 3
    assert [part.name for part in done.parts] == ["part-00000.jsonl"]
    assert not list(tmp_path.rglob("outside*"))


def test_a_gzip_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(LINES)
    for length in range(len(whole)):
        with pytest.raises(DataError, match=r"too early|is no gzip"):
            kind_of(write(tmp_path / "a.jsonl.gz", whole[:length]))


@pytest.mark.parametrize(
    ("filler", "words"),
    [
        (b"\0", "is not UTF-8 text"),
        (b"{}\n", "unpacks to more than 100 times its size"),
        (b" ", "unpacks to more than 100 times its size"),
    ],
    ids=["zeros", "rows", "one line"],
)
def test_a_bomb_is_stopped_early(tmp_path: Path, filler: bytes, words: str) -> None:
    source = write(tmp_path / "bomb.jsonl.gz", bomb(filler, 1024))
    assert Path(source.location).stat().st_size < 4 * 2**20
    _, peak, seconds, state = peak_of(tmp_path / "bomb.jsonl.gz")
    assert words in state
    assert seconds < 2
    assert peak < 300


def test_more_than_the_setting_allows_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl.gz", gzip.compress(LINES * 10_000, 1))
    with pytest.raises(DataError, match="more than 1 MiB") as caught:
        unpack_here(source, ("jsonl", "gzip"), max_unpacked=2**20)
    assert "max_unpacked_mib" in caught.value.cure


def test_logs_without_a_row_are_named_three_at_most() -> None:
    from tasks.log_finding import insist_on_rows

    with pytest.raises(DataError, match=r"The logs hold no row: .* in a\.csv\. Check"):
        insist_on_rows([], ["a.csv"])
    with pytest.raises(DataError, match=r" in a\.csv, b\.csv, c\.csv and 2 more\. Check"):
        insist_on_rows([], [f"{name}.csv" for name in "abcde"])
