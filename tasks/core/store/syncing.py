"""Syncing: what was written is on the disk before it is renamed, and the rename before anything builds on it."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a small private file aside and rename it into place: the old text is there, or the new, and none that is cut off."""
    aside = path.with_name(f"{path.name}.writing")
    aside.touch(mode=0o600)
    aside.write_text(text, encoding="utf-8")
    sync(aside)
    aside.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
