"""Message collection: the lines of a shard become messages, for logs with one message a row."""

from dataclasses import replace

from tasks.core.files.cutting import read_range
from tasks.core.intake.canonical import joined
from tasks.core.intake.collecting import cut, tell_apart
from tasks.core.intake.shapes import Shape
from tasks.core.intake.threads import MESSAGES, forgotten_in, message_chunk, renamed, without_words
from tasks.core.receipts import LogShard, MessageRows
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import write_ledger
from tasks.core.store.rows import ROWS, write_table
from tasks.core.store.tombstones import Tombstones
from tasks.core.store.workers import map_chunks
from tasks.lid import step


@step("message_collection", MessageRows, libraries=("orjson", "pyarrow"))
def collect_messages(draft: Draft, shard: LogShard, shape: Shape, tombstones: Tombstones) -> MessageRows:
    """Read one shard into messages; a record that cannot be one goes to quarantine.

    A conversation in which somebody asks who is to be forgotten leaves stubs without words.
    """
    data = read_range(shard.path, shard.start, shard.length, shard.digest)

    parts = list(map_chunks(message_chunk, cut(data, shard.kind), shape, tombstones))
    messages = joined((table for table, _ in parts), MESSAGES)
    gone = forgotten_in([messages])
    messages = without_words(renamed(messages, gone, tombstones), gone)
    entries = [entry for _, found in parts for entry in found]
    names = tell_apart([entry.row_id for entry in entries])

    write_table(draft.folder / ROWS, messages)
    write_ledger(
        draft.folder,
        "collection",
        [replace(entry, row_id=name) for entry, name in zip(entries, names, strict=True)],
    )
    return draft.seal(MessageRows, counts={"messages": len(messages), "rejected": len(entries)})
