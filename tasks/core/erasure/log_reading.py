"""Log reading: the logs that past runs of a workspace have read, and which of their lines are of one requester."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from tasks.core.erasure.naming import names
from tasks.core.errors import FreshtuneError
from tasks.core.files.containers import kind_of
from tasks.core.files.finding import Source, find_sources
from tasks.core.files.parsing import Numbered, Unreadable
from tasks.core.files.remote import shown_url
from tasks.core.files.sampling import MOST_RECORDS
from tasks.core.files.unpacking import stream_records
from tasks.core.intake.collecting import record_id
from tasks.core.intake.forgetting import requesters_of
from tasks.core.intake.shapes import resolve_shape
from tasks.core.settings import LogsSettings
from tasks.core.store.past_logs import settings_of_runs


@dataclass
class LogFinds:
    """The logs with the number of lines that are a requester's; what of them could not be read; and what the lines hold."""

    lines: dict[str, int] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    records: set[str] = field(default_factory=set)
    """Hashes of the records' bytes."""
    broken: set[str] = field(default_factory=set)
    """Of these, the records that cannot be read and name the requester."""
    texts: set[str] = field(default_factory=set)


def known_logs(workspace: Path) -> list[LogsSettings]:
    """Give what the runs of a workspace were told of their logs, each once; a run that left no readable settings, nothing."""
    found = []
    for path in settings_of_runs(workspace):
        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8"))
            logs = LogsSettings.model_validate(told["logs"])
        except (ValueError, KeyError, TypeError, yaml.YAMLError):  # cut off by a kill, or of another version
            continue
        found += [] if logs in found else [logs]
    return found


def look_through(every: Iterable[LogsSettings], requester: str, workspace: Path) -> LogFinds:
    """Read logs where they lie, and find the lines of a requester; they are changed by nobody.

    What lies behind a URL, is gone, or cannot be read as it was is `unread`.
    """
    finds = LogFinds()
    for logs in every:
        for path in logs.paths:
            try:
                sources = [] if "://" in path else find_sources([path])
            except FreshtuneError:
                sources = []
            if not sources:
                finds.unread.add(shown_url(path) if "://" in path else path)
            for source in sources:
                _look_into(source, logs, requester, workspace, finds)
    return finds


def _look_into(source: Source, logs: LogsSettings, requester: str, workspace: Path, finds: LogFinds) -> None:
    try:
        sample = [record for _, _, record in islice(_read(source, logs, workspace), MOST_RECORDS)]
        shape, _ = resolve_shape([one for one in sample if isinstance(one, dict)], logs, source.name)
        mine = 0
        for _, raw, record in _read(source, logs, workspace):
            if isinstance(record, Unreadable):
                if names(raw.decode("utf-8", "replace"), requester):
                    finds.broken.add(record_id(raw))
                    mine += 1
            elif requester in requesters_of(record, shape):
                finds.records.add(record_id(raw))
                finds.texts.update(_texts(record))
                mine += 1
    except FreshtuneError:
        finds.unread.add(source.location)
        return
    if mine:
        finds.lines[source.location] = mine


def _read(source: Source, logs: LogsSettings, workspace: Path) -> Iterator[Numbered]:
    kind = kind_of(source, logs.format)
    most = logs.max_unpacked_mib * 2**20
    return stream_records(source, *kind, workspace, max_unpacked=most, id_field=logs.fields.id)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
