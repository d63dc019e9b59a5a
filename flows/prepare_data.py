"""The data chapter: logs become checked examples, shard by shard, every row accounted for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flows.side_by_side import side_by_side
from tasks.assembly import assemble_examples
from tasks.clean_validation import validate_clean
from tasks.cleaning import clean_logs
from tasks.collection import collect_logs
from tasks.conversation_threading import thread_messages
from tasks.core.receipts import (
    ExampleShard,
    Promised,
    RawLogs,
    SuiteText,
    Threads,
    ValidCleanLogs,
    ValidExamples,
    ValidLogs,
    Verdicts,
)
from tasks.core.selection.verdicts import rules_of
from tasks.core.settings import Settings
from tasks.example_validation import validate_examples
from tasks.formation import form_examples
from tasks.log_finding import ShapedShard, find_logs, parts_of, shaped
from tasks.message_collection import collect_messages
from tasks.raw_validation import validate_raw
from tasks.readmission import find_fixed_rows, readmit_rows
from tasks.suite_reading import read_suites
from tasks.unpacking import unpack_log

T = TypeVar("T")
Suites = dict[str, SuiteText]
Door = RawLogs | ValidLogs | ValidCleanLogs


@dataclass(frozen=True)
class PreparedData:
    """The logs as read, the examples that came of them, and the suites that they were checked by."""

    logs: tuple[RawLogs, ...]
    examples: ValidExamples
    suites: Suites


def prepare_data(settings: Settings) -> PreparedData:
    """Read, check, clean and check again, each shard by itself; then form examples from all of them."""
    suites = read_suites(settings.quality.suites)
    shards = _find(settings)
    messages = tuple(one for one in shards if one.shape.kind == "messages")
    doors = [
        *_prepare([one for one in shards if one not in messages], _collect, settings, suites),
        *_prepare(_thread(messages, settings), _as_they_are, settings, suites),
    ]
    raw = tuple(door for door in doors if isinstance(door, RawLogs))
    doors += _take_back(doors, settings, suites)
    clean = tuple(door for door in doors if isinstance(door, ValidCleanLogs))
    return PreparedData(raw, _form(clean, settings, suites), suites)


def _find(settings: Settings) -> tuple[ShapedShard, ...]:
    """Find the logs, unpack what is packed, and say how each shard is read."""
    place, logs, found = settings.workspace, settings.logs, find_logs(settings.logs)
    shards = list(found.shards)
    for file in found.packed:
        unpacked = unpack_log(place, file, logs.fields.id, logs.max_unpacked_mib)
        shards += parts_of(place, file, unpacked)
    return tuple(shaped(shards, logs))


def _thread(messages: tuple[ShapedShard, ...], settings: Settings) -> tuple[RawLogs, ...]:
    """Put conversations together from messages; a conversation may go on in another file."""
    if not messages:
        return ()
    place, shape = settings.workspace, messages[0].shape
    rows = side_by_side(lambda one: collect_messages(place, one.shard, one.shape), messages)
    threads: Threads = thread_messages(place, tuple(rows), shape)
    return threads.parts


def _prepare(
    shards: Sequence[T], read: Callable[[Path, T], RawLogs], settings: Settings, suites: Suites
) -> Iterator[Door]:
    """Read and prepare shards side by side; give what stood at each door, shard by shard."""
    for doors in side_by_side(
        lambda one: _prepare_shard(read(settings.workspace, one), settings, suites), shards
    ):
        yield from doors


def _collect(place: Path, one: ShapedShard) -> RawLogs:
    return collect_logs(place, one.shard, one.shape)


def _as_they_are(_place: Path, logs: RawLogs) -> RawLogs:
    return logs


def _prepare_shard(raw: RawLogs, settings: Settings, suites: Suites) -> tuple[Door, ...]:
    place, cleaning, on_failure = settings.workspace, settings.cleaning, settings.quality.on_failure
    promised = Promised(redact=cleaning.redact, prompt_styles=cleaning.prompt_styles)
    valid = validate_raw(place, raw, suites["raw_logs"], on_failure)
    clean = clean_logs(place, valid, cleaning, settings.logs.outcome)
    return raw, valid, validate_clean(place, clean, promised, suites["clean_logs"], on_failure)


def _take_back(doors: list[Door], settings: Settings, suites: Suites) -> tuple[Door, ...]:
    """Prepare the rows of this run's quarantine that a person has fixed."""
    fixed = find_fixed_rows(settings.workspace)
    if fixed is None:
        return ()
    rows = readmit_rows(settings.workspace, fixed, tuple(doors))
    return _prepare_shard(rows, settings, suites) if rows.counts["kept"] else ()


def _form(clean: tuple[ValidCleanLogs, ...], settings: Settings, suites: Suites) -> ValidExamples:
    place, quality = settings.workspace, settings.quality
    formation = form_examples(place, clean, rules_of(settings.cleaning, settings.format))

    def check(part: tuple[ValidCleanLogs, Verdicts]) -> ExampleShard:
        suite, outcome = suites["training_examples"], settings.logs.outcome
        return validate_examples(place, *part, outcome, suite, quality.on_failure)

    shards = side_by_side(check, zip(clean, formation.parts, strict=True))
    return assemble_examples(place, tuple(shards), quality.max_quarantined, quality.min_examples)
