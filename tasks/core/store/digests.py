"""SHA-256 digests of bytes, files and plain values."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DIGITS = 64  # of a digest


def digest_bytes(data: bytes) -> str:
    """Give the SHA-256 of `data` as hexadecimal text."""
    return hashlib.sha256(data).hexdigest()


def digest_value(value: object) -> str:
    """Give the digest of a JSON-able value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return digest_bytes(text.encode())


def digest_file(path: Path) -> str:
    """Give the digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(files: Mapping[str, str]) -> str:
    """Give the digest of a set of files from their names and digests."""
    return digest_value(dict(files))


def digest_folder(folder: Path) -> dict[str, str]:
    """Give the digest of every file under `folder` by its relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}


def digests_in(value: Any) -> Iterator[str]:
    """Give every text in a value of JSON that can be a digest."""
    if isinstance(value, str):
        yield from (value,) if len(value) == DIGITS else ()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from digests_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from digests_in(one)
