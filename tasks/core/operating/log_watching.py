"""Log watching: whether there are new logs, told once, and only when nobody writes to them any more."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.errors import DataError
from tasks.core.files.finding import find_sources
from tasks.core.files.remote import stamp_of
from tasks.core.store.digests import digest_value


@dataclass(frozen=True)
class Look:
    """What is known of some logs: the state that was told last, and the state seen last, since when."""

    told: str
    seen: str
    since: float
    """Seconds, by the watcher's clock."""


def logs_state(paths: Sequence[str]) -> str:
    """Give a digest of which files there are, and of their sizes and times; none is opened. No file at all has one too.

    Raises `ServiceError` when the owner of a URL does not answer.
    """
    try:
        sources = find_sources(paths)
    except DataError:
        sources = []
    return digest_value(
        [
            [one.location, *(_local_stamp(one.location) if one.is_local else stamp_of(one.location))]
            for one in sources
        ]
    )


def look_again(before: Look | None, state: str, now: float, settled: float) -> tuple[Look, bool]:
    """Give what is known after a look at `now`, and whether new logs are to be told.

    What is there at the first look is known. A change is told once it has stayed as it is for `settled` seconds.
    """
    if before is None:
        return Look(told=state, seen=state, since=now), False
    if state != before.seen:
        return Look(before.told, state, now), False
    if state != before.told and now - before.since >= settled:
        return Look(state, state, before.since), True
    return before, False


def _local_stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - a plain string, as found
    except FileNotFoundError:  # between the listing and now
        return 0, 0
    return status.st_size, status.st_mtime_ns
