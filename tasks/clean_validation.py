"""The second door: clean rows against the contract on clean logs."""

import json

import pyarrow as pa
import pyarrow.compute as pc

from expectations.suites import build_suite
from tasks.core.intake.canonical import chunks_of
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import CleanLogs, Promised, SuiteText, ValidCleanLogs
from tasks.core.selection.hashing import HASHES
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, read_table, write_table
from tasks.core.store.workers import map_chunks
from tasks.core.text.traits import clean_traits
from tasks.lid import step


@step("clean_validation", ValidCleanLogs, libraries=("great-expectations", "pyarrow"))
def validate_clean(
    draft: Draft, logs: CleanLogs, promised: Promised, suite: SuiteText, on_failure: str
) -> ValidCleanLogs:
    """Check the clean rows of a shard; rows that break a `warning` expectation go to quarantine."""
    folder = logs.folder(draft.workspace)
    rows, hashes = read_table(folder / ROWS), read_table(folder / HASHES)

    traits = pa.concat_tables(map_chunks(clean_traits, chunks_of(rows) or [rows], promised.redactor))
    switches = {"redact": promised.redact, "prompt_styles": promised.prompt_styles}
    result = check_rows(traits, build_suite(suite.text, **switches))
    kept, entries = quarantine(rows, result, on_failure)

    write_table(draft.folder / ROWS, kept)
    write_table(draft.folder / HASHES, _of(kept, rows, hashes))
    write_ledger(draft.folder, "clean_validation", entries)
    (draft.folder / "quality.json").write_text(json.dumps(result.to_json(), indent=1))
    return draft.seal(ValidCleanLogs, counts=account(logs.counts, len(kept), entries))


def _of(kept: pa.Table, rows: pa.Table, hashes: pa.Table) -> pa.Table:
    """Give the hashes of the rows that were kept, in their order."""
    if len(kept) == len(rows):
        return hashes
    return hashes.filter(pc.is_in(rows["row_id"], kept["row_id"].combine_chunks()))
