"""Remote: log files behind the URLs that fsspec knows; user names, passwords and queries stay out of every message."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast
from urllib.parse import urlsplit

from tasks.core.errors import DataError, FreshtuneError, ServiceError

BLOCK = 2**20  # bytes


def list_remote(url: str, is_log: Callable[[str], bool]) -> list[str]:
    """Find the files that a URL, a folder's URL or a glob names; `is_log` chooses by name within a folder.

    Raises `DataError` when there is none or the URL means nothing here, `ServiceError` when its owner does not answer.
    """
    shown = shown_url(url)
    if "::" in url:
        raise DataError(f"{shown} lies within an archive.", cure="Unpack it and give the files.")
    with _answering(shown):
        found = _matches(url.rstrip("/"), is_log)
    if not found:
        raise DataError(f"There is no log file {shown}.", cure="Check the URL given with --logs.")
    return found


def _matches(url: str, is_log: Callable[[str], bool]) -> list[str]:
    from fsspec.core import url_to_fs

    files, path = url_to_fs(url)
    if any(letter in url for letter in ("*[" if url.startswith("http") else "*?[")):
        found = [name for name, about in files.glob(path, detail=True).items() if about["type"] == "file"]
    elif files.isfile(path):
        return [url]
    else:
        found = [name for name in files.find(path) if is_log(name.rpartition("/")[2])]
    start = url.removesuffix(path)  # scheme, user and host, which the file system does not repeat
    return [start + name for name in found]


def open_remote(url: str, name: str) -> IO[bytes]:
    """Open the file behind a URL; it is read as it comes."""
    from fsspec.core import url_to_fs

    with _answering(name):
        files, path = url_to_fs(url)
        return cast("IO[bytes]", io.BufferedReader(_RemoteFile(files.open(path, "rb"), name), BLOCK))


def stamp_of(url: str) -> tuple[int, str]:
    """Give size and version (an ETag, or a time) of the file behind a URL, as far as its owner tells them."""
    from fsspec.core import url_to_fs

    with _answering(shown_url(url)):
        files, path = url_to_fs(url)
        about = files.info(path)
    version = next(
        (about[name] for name in ("ETag", "etag", "mtime", "LastModified", "updated") if about.get(name)), ""
    )
    return int(about.get("size") or 0), str(version)


def shown_url(url: str) -> str:
    """Give a URL as people may see it: without user, password, query and fragment."""
    parts = urlsplit(url)
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def printable(text: str) -> str:
    """Replace what a terminal would obey, or cannot show."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


@contextmanager
def _answering(shown: str) -> Iterator[None]:
    """Make our errors of what fsspec's many backends raise."""
    try:
        yield
    except FreshtuneError:
        raise
    except FileNotFoundError:
        raise DataError(f"There is no log file {shown}.", cure="Check the URL given with --logs.") from None
    except ImportError as error:
        raise DataError(
            f"{shown} needs a package that is missing.", cure=f"{printable(str(error))}."
        ) from None
    except ValueError:
        raise DataError(
            f"{shown} means nothing here.", cure="Give a path, or a URL that fsspec knows."
        ) from None
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise ServiceError(
            f"{shown} cannot be read ({type(error).__name__}).",
            cure="Check address, network and rights, and start again.",
        ) from None


class _RemoteFile(io.RawIOBase):
    """A file behind a URL, whose errors are ours."""

    def __init__(self, file: Any, shown: str) -> None:
        super().__init__()
        self._file, self._shown = file, shown

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with _answering(self._shown):
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        with _answering(self._shown):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
