"""Finding: the log files that paths and globs name."""

import os
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from tasks.core.errors import DataError


def find_files(paths: Sequence[str]) -> list[Path]:
    """Find the files that paths and globs name; nothing is read.

    Raises `DataError` when there is no path, one that matches nothing, or one that is no readable file.
    """
    if not paths:
        raise DataError("logs.paths is empty.", cure="Give log files with --logs PATH or in the recipe.")
    found = [Path(one) for pattern in paths for one in sorted(glob(pattern, recursive=True)) or [pattern]]  # noqa: PTH207 - patterns may be absolute
    for path in found:
        _insist(path)
    return found


def _insist(path: Path) -> None:
    if not path.exists():
        raise DataError(f"There is no log file {path}.", cure="Check the path or glob given with --logs.")
    if not path.is_file():
        raise DataError(
            f"{path} is not a file.", cure=f"Give its files, for example --logs '{path}/*.jsonl'."
        )
    if not os.access(path, os.R_OK):
        raise DataError(f"{path} may not be read.", cure="Give this user the right to read it.")
