"""Outputs: what a process prints is kept with its run, where nobody listens to it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STREAMS = (1, 2)  # the descriptors of standard output and standard error


@contextmanager
def output_kept(file: Path) -> Iterator[None]:
    """Keep in `file` what this process and its children print meanwhile to a stream that leads to `/dev/null`.

    A worker starts runs that way, since a pipe to it would end them with it. Nothing is made where both streams are read.
    """
    unread = [stream for stream in STREAMS if _leads_nowhere(stream)]
    if not unread:
        yield
        return
    former = {stream: os.dup(stream) for stream in unread}
    kept = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        _lead(dict.fromkeys(unread, kept))
        yield
    finally:
        _lead(former)
        for opened in (kept, *former.values()):
            os.close(opened)


def _leads_nowhere(stream: int) -> bool:
    try:
        return os.path.samestat(os.fstat(stream), Path(os.devnull).stat())
    except OSError:  # it is closed
        return False


def _lead(where: dict[int, int]) -> None:
    for buffered in filter(None, (sys.stdout, sys.stderr)):  # a closed one is none
        buffered.flush()
    for stream, target in where.items():
        os.dup2(target, stream)
