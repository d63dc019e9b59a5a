"""The first door: raw rows against the contract on raw logs."""

import json

from expectations import raw_logs
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import RawLogs, ValidLogs
from tasks.core.settings import QualitySettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, read_rows, write_rows
from tasks.core.text.traits import raw_traits
from tasks.lid import step


@step("raw_validation", ValidLogs, libraries=("great-expectations",))
def validate_raw(draft: Draft, logs: RawLogs, quality: QualitySettings) -> ValidLogs:
    """Check the raw rows of a shard; rows that break a critical expectation go to quarantine."""
    rows = read_rows(logs.folder(draft.workspace) / ROWS)

    result = check_rows(raw_traits(rows), raw_logs.suite())
    kept, entries = quarantine(rows, result, quality.on_failure)

    write_rows(draft.folder / ROWS, kept)
    write_ledger(draft.folder, "raw_validation", entries)
    (draft.folder / "quality.json").write_text(json.dumps(result.to_json(), indent=1))
    return draft.seal(ValidLogs, counts=account(logs.counts, len(kept), entries))
