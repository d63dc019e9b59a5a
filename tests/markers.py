"""Where words are in a workspace, looked for in the plainest way: every file read whole, every table as Python's own values."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def files_with(folder: Path, words: Iterable[str]) -> set[str]:
    """Name the files below `folder` that hold one of some words."""
    sought = list(words)
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        for text in (_told(path),)
        if any(word in text for word in sought)
    }


def _told(path: Path) -> str:
    data = path.read_bytes()
    told = data.decode("utf-8", "replace")
    if path.suffix == ".parquet":
        return told + str(pq.read_table(path).to_pylist())
    if path.suffix == ".arrow":
        opened = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream
        return told + str(opened(data).read_all().to_pylist())
    if path.suffix == ".db":
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return told + "\n".join(database.iterdump())
    return told
