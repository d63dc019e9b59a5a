"""The first door: raw rows against the contract on raw logs."""

import json

from expectations.suites import build_suite
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import RawLogs, SuiteText, ValidLogs
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, read_table, write_table
from tasks.core.text.traits import raw_traits
from tasks.lid import step


@step("raw_validation", ValidLogs, libraries=("great-expectations", "pyarrow"))
def validate_raw(draft: Draft, logs: RawLogs, suite: SuiteText, on_failure: str) -> ValidLogs:
    """Check the raw rows of a shard; rows that break a `warning` expectation go to quarantine."""
    rows = read_table(logs.folder(draft.workspace) / ROWS)

    result = check_rows(raw_traits(rows), build_suite(suite.text))
    kept, entries = quarantine(rows, result, on_failure)

    write_table(draft.folder / ROWS, kept)
    write_ledger(draft.folder, "raw_validation", entries)
    (draft.folder / "quality.json").write_text(json.dumps(result.to_json(), indent=1))
    return draft.seal(ValidLogs, counts=account(logs.counts, len(kept), entries))
