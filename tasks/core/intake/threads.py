"""Threads: the messages of many shards become conversations, each with the shard in which it begins.

Only names and times are looked at across shards; texts are parted by file, then put together one shard at a time.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.files.parsing import Unreadable
from tasks.core.intake.canonical import SCHEMA, table_of
from tasks.core.intake.collecting import Chunk, record_id, records_of, rejected
from tasks.core.intake.exchanges import Message
from tasks.core.intake.messages import message_of, thread
from tasks.core.intake.shapes import Shape
from tasks.core.intake.values import Rejection
from tasks.core.store.ledger import Entry

FLAGS, NUMBERS = ("accepted", "solved", "reopened"), ("votes", "csat")
MESSAGES = pa.schema(
    [
        (one.name, pa.bool_() if one.name in FLAGS else pa.float64() if one.name in NUMBERS else pa.string())
        for one in fields(Message)
        if one.name != "line"
    ]
    + [("line", pa.int32())]
)
PARTED = pa.schema([*MESSAGES, ("shard", pa.int32())])
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Threaded:
    """The conversations that begin in one shard; `left_out` are the messages of other roles."""

    table: pa.Table
    entries: list[Entry]
    left_out: int


def message_chunk(chunk: Chunk, shape: Shape) -> tuple[pa.Table, list[Entry]]:
    """Read records as messages."""
    rows: list[dict[str, Any]] = []
    entries: list[Entry] = []
    for line, raw, record in records_of(chunk):
        found = record if isinstance(record, Unreadable) else message_of(record, shape)
        if isinstance(found, Unreadable | Rejection):
            entries.append(rejected(record_id(raw), line, found, raw))
        else:
            rows.append({**{name: getattr(found, name) for name in MESSAGES.names}, "line": line})
    return table_of(rows, MESSAGES), entries


def origins(names: Sequence[pa.Table]) -> list[Numbers]:
    """Give, for each message of each shard, the shard in which its conversation begins: that of its earliest message.

    `names` hold `conversation` and `time` of each shard.
    """
    counts = [len(one) for one in names]
    if not sum(counts):
        return [np.empty(0, np.int64) for _ in names]
    whole = pa.concat_tables(names).combine_chunks()
    codes = whole["conversation"].combine_chunks().dictionary_encode().indices.to_numpy()
    times = _ranks(whole["time"])
    shards = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((shards, times, codes))
    first = np.r_[True, codes[order][1:] != codes[order][:-1]]
    of_conversation = np.empty(codes.max() + 1, dtype=np.int64)
    of_conversation[codes[order][first]] = shards[order][first]
    return np.split(of_conversation[codes], np.cumsum(counts)[:-1])


def part(tables: Iterable[pa.Table], begins: Sequence[Numbers], folder: Path) -> list[Path]:
    """Write the messages of each origin to a file of its own in `folder`, one shard in memory at a time."""
    paths = [folder / f"{number:04}.messages" for number in range(len(begins))]
    with ExitStack() as stack:
        sinks = [
            stack.enter_context(pa.ipc.new_stream(stack.enter_context(pa.OSFile(str(path), "wb")), PARTED))
            for path in paths
        ]
        for number, (table, origin) in enumerate(zip(tables, begins, strict=True)):
            marked = table.append_column("shard", pa.array(np.full(len(table), number), pa.int32()))
            for one in np.unique(origin).tolist():
                sinks[one].write_table(marked.filter(pa.array(origin == one)))
    return paths


def conversations(path: Path, number: int, shape: Shape) -> Threaded:
    """Put together the conversations that begin in shard `number` from their messages in the file at `path`."""
    with pa.OSFile(str(path), "rb") as source:
        messages = pa.ipc.open_stream(source).read_all().sort_by([("conversation", "ascending")]).to_pylist()
    rows: list[dict[str, Any]] = []
    entries: list[Entry] = []
    for name, group in groupby(messages, key=itemgetter("conversation")):
        said = list(group)
        line = min(one["line"] for one in said if one["shard"] == number)
        for place, found in enumerate(thread(_numbered(said), shape)):
            if isinstance(found, Rejection):
                private = {"conversation": name, "messages": [one["text"] for one in said][:100]}
                entries.append(Entry(_name(name), line, "quarantined", found.rule, found.reason, row=private))
            else:
                rows.append({**found, "row_id": _row_name(found, place), "line": line})
    return Threaded(table_of(rows, SCHEMA), entries, sum(row["left_out"] for row in rows))


def _ranks(times: pa.ChunkedArray) -> Numbers:
    """Rank times as ISO text; what has none comes last."""
    encoded = times.combine_chunks().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=lambda place: (not words[place], words[place]))
    ranks = np.empty(len(words), dtype=np.int64)
    ranks[order] = np.arange(len(words))
    ranked: Numbers = ranks[encoded.indices.to_numpy()]
    return ranked


def _numbered(said: Sequence[dict[str, Any]]) -> list[tuple[int, Message]]:
    """Give messages with their place over all shards."""
    ordered = sorted(said, key=itemgetter("shard", "line"))
    return [
        (place, Message(**{name: one[name] for name in MESSAGES.names}))
        for place, one in enumerate(ordered, 1)
    ]


def _row_name(row: dict[str, Any], place: int) -> str:
    texts = (row["conversation"], *(turn["text"] for turn in row["history"]), row["question"], row["reply"])
    return f"{_name(*texts)}#{place}"


def _name(*texts: str) -> str:
    return blake2b("\x1f".join(texts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
