"""The data chapter: logs become checked examples, shard by shard, every row accounted for."""

from dataclasses import dataclass

from tasks.clean_validation import validate_clean
from tasks.cleaning import clean_logs
from tasks.collection import collect_logs, find_logs
from tasks.core.receipts import LogFile, RawLogs, ValidCleanLogs, ValidExamples
from tasks.core.settings import Settings
from tasks.example_validation import validate_examples
from tasks.formation import form_examples
from tasks.raw_validation import validate_raw


@dataclass(frozen=True)
class PreparedData:
    """The logs as read, and the examples that came of them."""

    logs: tuple[RawLogs, ...]
    examples: ValidExamples


def prepare_data(settings: Settings) -> PreparedData:
    """Read, check, clean and check again, each file by itself; then form examples from all of them."""
    shards = [_prepare_shard(file, settings) for file in find_logs(settings.logs.paths)]
    examples = form_examples(
        settings.workspace,
        tuple(clean for _, clean in shards),
        settings.format.held_out,
        settings.format.salt,
        settings.cleaning.drop_duplicates,
        settings.quality.max_quarantined,
    )
    checked = validate_examples(settings.workspace, examples, settings.quality)
    return PreparedData(tuple(raw for raw, _ in shards), checked)


def _prepare_shard(file: LogFile, settings: Settings) -> tuple[RawLogs, ValidCleanLogs]:
    place = settings.workspace
    raw = collect_logs(place, file, settings.logs.fields, settings.logs.format)
    valid = validate_raw(place, raw, settings.quality)
    clean = clean_logs(place, valid, settings.cleaning)
    return raw, validate_clean(place, clean, settings.quality)
