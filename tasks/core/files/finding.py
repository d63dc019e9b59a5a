"""Finding: the log files that paths, folders, globs and URLs name; nothing is opened.

A file is listed once, however many links and patterns lead to it. Whether it is a file at all is told by its status:
opening a FIFO would wait for ever.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from urllib.parse import urlsplit

from tasks.core.errors import DataError
from tasks.core.files.remote import list_remote, printable

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
}
COMPRESSIONS = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}


@dataclass(frozen=True)
class Source:
    """A log file: `location` is an absolute path or a URL, `name` is what people are shown."""

    location: str
    name: str

    @property
    def is_local(self) -> bool:
        return "://" not in self.location


def find_sources(paths: Sequence[str]) -> list[Source]:
    """Find the files that files, folders, globs and fsspec URLs name, in the order of their locations.

    A folder gives the files below it that end like a log. Raises `DataError` when nothing is given, when something
    matches nothing, or when a match is no readable file; `ServiceError` when the owner of a URL does not answer.
    """
    if not any(paths):
        raise DataError("logs.paths is empty.", cure="Give log files with --logs PATH or in the recipe.")
    found = [
        one for path in paths for one in (list_remote(path, _is_log) if _is_url(path) else _find_local(path))
    ]
    once: dict[object, str] = {}
    for location in sorted(found):
        once.setdefault(location if "://" in location else _identity(location), location)
    return [Source(location, file_name(location)) for location in once.values()]


def named_kind(name: str) -> tuple[str, str]:
    """Give format and compression by a file's ending, `""` for what it does not say."""
    stem, ending = os.path.splitext(name.lower())  # noqa: PTH122 - names, also of URLs
    compression = COMPRESSIONS.get(ending, "")
    if compression:
        ending = os.path.splitext(stem)[1]  # noqa: PTH122
    return FORMATS.get(ending, ""), compression


def file_name(location: str) -> str:
    """Give the last part of a path or URL, without what a terminal would obey and without a URL's secrets."""
    path = urlsplit(location).path if "://" in location else location
    return printable(path.rstrip("/").rpartition("/")[2])


def _is_url(path: str) -> bool:
    return "://" in path and not path.startswith(("file://", "local://"))


def _find_local(path: str) -> list[str]:
    plain = os.path.expanduser(path.removeprefix("file://").removeprefix("local://"))  # noqa: PTH111 - may be a glob
    whole = os.path.abspath(plain) if plain and "\0" not in plain else ""  # noqa: PTH100 - links stay as given
    if os.path.lexists(whole):
        matches = [whole]
    else:
        matches = glob(whole, recursive=True) if whole and has_magic(whole) else []  # noqa: PTH207 - absolute
    files = [file for match in matches for file in (_below(match) if os.path.isdir(match) else [match])]  # noqa: PTH112
    if not files:
        raise DataError(f"There is no log file {printable(path)}.", cure=_cure(matches))
    return files


def _cure(folders: Sequence[str]) -> str:
    if folders:
        return f"A folder is searched for files that end in {', '.join(FORMATS)}, also with .gz or .zst."
    return "Check the path or glob given with --logs."


def _below(folder: str) -> Iterator[str]:
    """Walk a folder in the order of names; hidden names and folders already walked (links in a ring) are left out."""
    walked: set[tuple[int, int]] = set()
    for where, folders, files in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        status = os.stat(where)  # noqa: PTH116
        seen = (status.st_dev, status.st_ino) in walked
        walked.add((status.st_dev, status.st_ino))
        folders[:] = [] if seen else sorted(name for name in folders if not name.startswith("."))
        if not seen:
            yield from (f"{where}/{name}" for name in sorted(files) if _is_log(name))


def _is_log(name: str) -> bool:
    return not name.startswith(".") and named_kind(name)[0] != ""


def _refuse_folder(error: OSError) -> None:
    raise DataError(
        f"The folder {printable(str(error.filename))} cannot be read.",
        cure="Give this user the right to read it.",
    )


def _identity(path: str) -> tuple[int, int]:
    """Give the device and number of a regular, readable file."""
    shown = printable(path)
    try:
        status = Path(path).stat()
    except OSError:
        raise DataError(f"{shown} is a link to nothing.", cure="Leave it out, or mend the link.") from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{shown} is {_sort_of(status.st_mode)}, not a file.", cure="Give a file with logs.")
    if not os.access(path, os.R_OK):
        raise DataError(f"{shown} may not be read.", cure="Give this user the right to read it.")
    return status.st_dev, status.st_ino


def _sort_of(mode: int) -> str:
    sorts = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    return next((words for test, words in sorts if test(mode)), "a device")
