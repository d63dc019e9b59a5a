"""The second door: clean rows against the contract on clean logs."""

import json

from expectations import clean_logs
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import CleanLogs, ValidCleanLogs
from tasks.core.settings import QualitySettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, read_rows, write_rows
from tasks.core.text.traits import clean_traits
from tasks.lid import step


@step("clean_validation", ValidCleanLogs, libraries=("great-expectations",))
def validate_clean(draft: Draft, logs: CleanLogs, quality: QualitySettings) -> ValidCleanLogs:
    """Check the clean rows of a shard; rows that break a critical expectation go to quarantine."""
    rows = read_rows(logs.folder(draft.workspace) / ROWS)

    result = check_rows(clean_traits(rows), clean_logs.suite())
    kept, entries = quarantine(rows, result, quality.on_failure)

    write_rows(draft.folder / ROWS, kept)
    write_ledger(draft.folder, "clean_validation", entries)
    (draft.folder / "quality.json").write_text(json.dumps(result.to_json(), indent=1))
    return draft.seal(ValidCleanLogs, counts=account(logs.counts, len(kept), entries))
