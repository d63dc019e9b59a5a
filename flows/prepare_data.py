"""The data chapter: logs become checked examples, shard by shard, every row accounted for."""

from dataclasses import dataclass

from flows.side_by_side import side_by_side
from tasks.assembly import assemble_examples
from tasks.clean_validation import validate_clean
from tasks.cleaning import clean_logs
from tasks.collection import collect_logs
from tasks.conversation_threading import thread_messages
from tasks.core.receipts import (
    CleanLogs,
    ExampleShard,
    Formation,
    Promised,
    RawLogs,
    Receipt,
    SuiteText,
    Threads,
    ValidCleanLogs,
    ValidExamples,
    ValidLogs,
    Verdicts,
)
from tasks.core.selection.verdicts import Rules, rules_of
from tasks.core.settings import Settings
from tasks.core.store.tombstones import Tombstones, read_tombstones
from tasks.example_validation import validate_examples
from tasks.formation import form_examples
from tasks.log_finding import ShapedShard, find_logs, insist_on_rows, parts_of, shaped
from tasks.message_collection import collect_messages
from tasks.raw_validation import validate_raw
from tasks.readmission import find_fixed_rows, readmit_rows
from tasks.suite_reading import read_suites
from tasks.unpacking import unpack_log

Suites = dict[str, SuiteText]
Door = RawLogs | ValidLogs | CleanLogs | ValidCleanLogs
Doors = tuple[Door, ...]  # what one shard was before, between and after its doors


@dataclass(frozen=True)
class PreparedData:
    """The logs as read and as clean, what became of each row, the examples that came of them, and the suites that they were checked by."""

    logs: tuple[RawLogs, ...]
    clean: tuple[ValidCleanLogs, ...]
    formation: Formation
    examples: ValidExamples
    suites: Suites


def prepare_data(settings: Settings) -> PreparedData:
    """Read, check, clean and check again, each shard by itself; then form examples from all of them."""
    suites, tombstones = read_suites(settings.quality.suites), read_tombstones(settings.workspace)

    def collect(one: ShapedShard) -> Doors:
        return prepare(collect_logs(settings.workspace, one.shard, one.shape, tombstones))

    def prepare(logs: RawLogs) -> Doors:
        return _prepare_shard(logs, settings, suites)

    shards = _find(settings, tombstones)
    messages = tuple(one for one in shards if one.shape.kind == "messages")
    prepared = side_by_side(collect, [one for one in shards if one not in messages])
    prepared += side_by_side(prepare, _thread(messages, settings, tombstones))
    doors = [door for shard in prepared for door in shard]
    raw = tuple(door for door in doors if isinstance(door, RawLogs))
    fixed = _take_back(doors, settings, suites)
    clean = _clean((*doors, *fixed))
    taken_back = next((door for door in fixed if isinstance(door, RawLogs)), None)
    rules = rules_of(settings.cleaning, settings.format)
    formation = form_examples(settings.workspace, clean, taken_back, rules)
    examples = _assemble((*doors, *fixed), formation, rules, settings, suites)
    return PreparedData(raw, clean, formation, examples, suites)


def _clean(doors: Doors) -> tuple[ValidCleanLogs, ...]:
    return tuple(door for door in doors if isinstance(door, ValidCleanLogs))


def _find(settings: Settings, tombstones: Tombstones) -> tuple[ShapedShard, ...]:
    """Find the logs, unpack what is packed, and say how each shard is read."""
    place, logs, found = settings.workspace, settings.logs, find_logs(settings.logs)
    shards = list(found.shards)
    columns = logs.model_copy(update={"paths": ()}) if tombstones else None
    for file in found.packed:
        unpacked = unpack_log(place, file, logs.fields.id, logs.max_unpacked_mib, tombstones, columns)
        shards += parts_of(place, file, unpacked)
    insist_on_rows(shards, found.names)
    return tuple(shaped(shards, logs))


def _thread(
    messages: tuple[ShapedShard, ...], settings: Settings, tombstones: Tombstones
) -> tuple[RawLogs, ...]:
    """Put conversations together from messages; a conversation may go on in another file."""
    if not messages:
        return ()
    place, shape = settings.workspace, messages[0].shape
    rows = side_by_side(lambda one: collect_messages(place, one.shard, one.shape, tombstones), messages)
    threads: Threads = thread_messages(place, tuple(rows), shape, tombstones)
    return threads.parts


def _prepare_shard(raw: RawLogs, settings: Settings, suites: Suites) -> Doors:
    place, cleaning, on_failure = settings.workspace, settings.cleaning, settings.quality.on_failure
    promised = Promised(
        redact=cleaning.redact,
        prompt_styles=cleaning.prompt_styles,
        redactor=cleaning.redactor,
        redactor_version=cleaning.redactor_version,
    )
    valid = validate_raw(place, raw, suites["raw_logs"], on_failure)
    clean = clean_logs(place, valid, cleaning, settings.logs.outcome)
    return raw, valid, clean, validate_clean(place, clean, promised, suites["clean_logs"], on_failure)


def _take_back(doors: list[Door], settings: Settings, suites: Suites) -> Doors:
    """Prepare the rows of this run's quarantine that a person has fixed."""
    fixed = find_fixed_rows(settings.workspace)
    if fixed is None:
        return ()
    rows = readmit_rows(settings.workspace, fixed, tuple(doors))
    return _prepare_shard(rows, settings, suites) if rows.counts["kept"] else ()


def _assemble(
    doors: Doors, formation: Formation, rules: Rules, settings: Settings, suites: Suites
) -> ValidExamples:
    place, quality = settings.workspace, settings.quality

    def check(part: tuple[ValidCleanLogs, Verdicts]) -> ExampleShard:
        suite, outcome = suites["training_examples"], settings.logs.outcome
        return validate_examples(place, *part, outcome, suite, quality.on_failure)

    shards = side_by_side(check, zip(_clean(doors), formation.parts, strict=True))
    passed: tuple[Receipt, ...] = (*doors, formation)
    return assemble_examples(
        place, tuple(shards), passed, rules, quality.max_quarantined, quality.min_examples
    )
