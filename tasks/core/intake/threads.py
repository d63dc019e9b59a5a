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
import pyarrow.compute as pc

from tasks.core.files.parsing import Unreadable
from tasks.core.intake.canonical import SCHEMA, table_of
from tasks.core.intake.collecting import Chunk, record_id, records_of, rejected
from tasks.core.intake.exchanges import Message
from tasks.core.intake.forgetting import FORGOTTEN, forgotten, is_forgotten
from tasks.core.intake.messages import message_of, thread
from tasks.core.intake.shapes import Shape
from tasks.core.intake.values import Rejection
from tasks.core.store.ledger import Entry
from tasks.core.store.tombstones import NOBODY, Tombstones

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


def message_chunk(
    chunk: Chunk, shape: Shape, tombstones: Tombstones = NOBODY
) -> tuple[pa.Table, list[Entry]]:
    """Read records as messages; of one that is to be forgotten a stub is kept, without a word of it."""
    rows: list[dict[str, Any]] = []
    entries: list[Entry] = []
    for line, raw, record in records_of(chunk):
        found = record if isinstance(record, Unreadable) else message_of(record, shape)
        if is_forgotten(record_id(raw), record, shape, tombstones):
            name = found.conversation if isinstance(found, Message) else record_id(raw)
            rows.append(_stub(tombstones.stand_in("conversation", name), line))
        elif isinstance(found, Unreadable | Rejection):
            entries.append(rejected(record_id(raw), line, found, raw))
        else:
            rows.append({**{name: getattr(found, name) for name in MESSAGES.names}, "line": line})
    return table_of(rows, MESSAGES), entries


def forgotten_in(tables: Iterable[pa.Table]) -> set[str]:
    """Give what stands for the conversations of which `tables`, with `conversation` and `role`, hold a stub."""
    found = (one.filter(pc.equal(one["role"], FORGOTTEN))["conversation"] for one in tables)
    return {name for names in found for name in names.unique().to_pylist()}


def renamed(table: pa.Table, gone: set[str], tombstones: Tombstones) -> pa.Table:
    """Name every message of the conversations in `gone` as their stubs are named, so that all of it meets there."""
    if not gone:
        return table
    names = table["conversation"].combine_chunks().dictionary_encode()
    words = [_stand_in(name, gone, tombstones) for name in names.dictionary.to_pylist()]
    place = table.schema.get_field_index("conversation")
    return table.set_column(place, "conversation", pa.array(words, pa.string()).take(names.indices))


def without_words(table: pa.Table, gone: set[str]) -> pa.Table:
    """Put stubs in place of all messages of the conversations in `gone`."""
    if not gone:
        return table
    theirs = pc.is_in(table["conversation"], pa.array(sorted(gone), pa.string()))
    stubs = [
        _stub(one["conversation"], one["line"])
        for one in table.filter(theirs).select(["conversation", "line"]).to_pylist()
    ]
    return pa.concat_tables([table.filter(pc.invert(theirs)), table_of(stubs, MESSAGES)])


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
        if any(one["role"] == FORGOTTEN for one in said):
            entries.append(forgotten(line))
            continue
        for place, found in enumerate(thread(_numbered(said), shape)):
            if isinstance(found, Rejection):
                private = {"conversation": name, "messages": [one["text"] for one in said][:100]}
                entries.append(Entry(_name(name), line, "quarantined", found.rule, found.reason, row=private))
            else:
                rows.append({**found, "row_id": _row_name(found, place), "line": line})
    return Threaded(table_of(rows, SCHEMA), entries, sum(row["left_out"] for row in rows))


def _stub(conversation: str, line: int) -> dict[str, Any]:
    empty = {name: None if name in (*FLAGS, *NUMBERS) else "" for name in MESSAGES.names}
    return {**empty, "conversation": conversation, "role": FORGOTTEN, "line": line}


def _stand_in(name: str, gone: set[str], tombstones: Tombstones) -> str:
    instead = tombstones.stand_in("conversation", name)
    return instead if instead in gone else name


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
