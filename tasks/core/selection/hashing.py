"""Hashing: clean rows become the columns by which all rows are compared; no text leaves here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.core.intake.times import parse_time
from tasks.core.selection.resemblance import Company, find_company
from tasks.core.selection.signatures import BANDS, PERMUTATIONS, fingerprints, key_of_text, sketch, words_of
from tasks.core.selection.splitting import NO_TIME
from tasks.core.selection.verdicts import Hashes

HASHES = "hashes.arrow"
KEYS = ("row_key", "requester", "conversation", "fingerprint", "reply")
BAND_NAMES = tuple(f"band_{number:02}" for number in range(BANDS))
SCHEMA = pa.schema(
    [
        *((name, pa.uint64()) for name in KEYS),
        ("time", pa.int64()),
        *((name, pa.uint32()) for name in BAND_NAMES),
        ("signature", pa.binary(PERMUTATIONS)),
    ]
)
Rows = Sequence[Mapping[str, Any]]


def hash_rows(rows: Rows) -> pa.Table:
    """Hash rows with id, requester, conversation, created, history, question and reply, in their order."""
    words = words_of([_texts(row) for row in rows])
    signatures, bands = sketch(words)
    columns = {
        "row_key": [key_of_text(row["row_id"]) for row in rows],
        "requester": [key_of_text(_group(row, "requester")) for row in rows],
        "conversation": [key_of_text(_group(row, "conversation")) for row in rows],
        "fingerprint": fingerprints(words),
        "reply": [key_of_text(row["reply"]) for row in rows],
        "time": [_seconds(row["created"]) for row in rows],
        **dict(zip(BAND_NAMES, bands, strict=True)),
        "signature": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(PERMUTATIONS), len(rows), [None, pa.py_buffer(signatures.tobytes())]
        ),
    }
    return pa.table(columns, schema=SCHEMA)


def hashes_of(tables: Sequence[pa.Table]) -> tuple[Hashes, Company]:
    """Put the hashes of all shards together, in their order, and find who may be alike."""
    whole = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    keys = {name: whole[name].to_numpy() for name in (*KEYS, "time")}
    signatures = [_matrix(chunk) for chunk in whole["signature"].chunks]
    hashes = Hashes(
        row_keys=keys["row_key"],
        requesters=keys["requester"],
        conversations=keys["conversation"],
        times=keys["time"],
        fingerprints=keys["fingerprint"],
        replies=keys["reply"],
        signatures=np.concatenate(signatures) if signatures else np.empty((0, PERMUTATIONS), np.uint8),
    )
    return hashes, find_company(whole[name].to_numpy() for name in BAND_NAMES)


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [*(turn["text"] for turn in row["history"]), row["question"], row["reply"]]


def _group(row: Mapping[str, Any], column: str) -> str:
    """Name the group of a row: who asked, or the conversation; without one, the conversation, and at last the row itself."""
    for name in dict.fromkeys((column, "conversation", "row_id")):
        value = row[name].strip().casefold()
        if value:
            return f"{name}/{value}"
    raise AssertionError("a row has no id")


def _seconds(created: str) -> int:
    time = parse_time(created) if created else None
    return int(time.timestamp()) if time else NO_TIME


def _matrix(chunk: pa.FixedSizeBinaryArray) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    flat = np.frombuffer(chunk.buffers()[1], np.uint8)
    return flat[chunk.offset * PERMUTATIONS : (chunk.offset + len(chunk)) * PERMUTATIONS].reshape(
        -1, PERMUTATIONS
    )
