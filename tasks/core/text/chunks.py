"""Chunks: what a worker does with a few thousand rows of a shard."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from tasks.core.intake.canonical import SCHEMA, rows_of, table_of
from tasks.core.selection.hashing import hash_rows
from tasks.core.settings import CleaningSettings, Outcome
from tasks.core.store.ledger import Entry
from tasks.core.text.conversation_cleaning import Cleaned, clean_conversations
from tasks.core.text.traits import SEAL, seal_of

CLEAN = pa.schema([*SCHEMA, ("language_source", pa.string()), (SEAL, pa.uint64())])


@dataclass(frozen=True)
class CleanedChunk:
    """The rows that stay with their hashes, those that are filtered, and how many rows each craft changed."""

    table: pa.Table
    hashes: pa.Table
    entries: list[Entry]
    changes: dict[str, int]


def clean_chunk(table: pa.Table, cleaning: CleaningSettings, outcome: Outcome) -> CleanedChunk:
    """Clean rows, filter what cannot teach, and hash the rest."""
    changes: Counter[str] = Counter()
    kept, entries = [], []
    for cleaned in clean_conversations(rows_of(table), cleaning, outcome):
        row = cleaned.row
        changes.update(cleaned.changes)
        if cleaned.rule is None:
            kept.append({**row, SEAL: _seal(cleaned)})
        else:
            reason = f"filtered by cleaning: {cleaned.rule.replace('_', ' ')}"
            entries.append(Entry(row["row_id"], row["line"], "filtered", cleaned.rule, reason))
    return CleanedChunk(table_of(kept, CLEAN), hash_rows(kept), entries, dict(changes))


def _seal(cleaned: Cleaned) -> int | None:
    """Seal a row whose texts redaction has looked through, so that the door need not look again."""
    row = cleaned.row
    texts = (turn["text"] for turn in row["history"])
    return seal_of(row["question"], row["reply"], texts) if cleaned.looked_through else None
