"""Outputs: what a process prints is kept with its run, where nobody listens to it."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path

STREAMS = (1, 2)  # the descriptors of standard output and standard error
_KEPT = set[int]()


def keep_output(file: Path) -> None:
    """Keep in `file` what this process and its children print from now on to a stream that leads to `/dev/null`, or to an earlier file.

    A worker starts runs that way, since a pipe to it would end them with it. Nothing is made where both streams are read.
    """
    unread = [stream for stream in STREAMS if stream in _KEPT or _leads_nowhere(stream)]
    if not unread:
        return
    kept = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for stream in unread:
            os.dup2(kept, stream)
    finally:
        os.close(kept)
    _KEPT.update(unread)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a killed process has said what it printed


def _leads_nowhere(stream: int) -> bool:
    try:
        return os.path.samestat(os.fstat(stream), Path(os.devnull).stat())
    except OSError:  # it is closed
        return False
