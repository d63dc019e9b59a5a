"""Conversation threading: messages become conversations, which may go on in another file."""

from tasks.core.intake.shapes import Shape
from tasks.core.intake.threads import Threaded, conversations, forgotten_in, origins, part, renamed
from tasks.core.receipts import MessageRows, RawLogs, Threads
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, add_counts, write_ledger
from tasks.core.store.rows import ROWS, read_table, write_table
from tasks.core.store.tombstones import Tombstones
from tasks.lid import step
from tasks.step_identity import identity


@step("conversation_threading", Threads, libraries=("pyarrow",))
def thread_messages(
    draft: Draft, messages: tuple[MessageRows, ...], shape: Shape, tombstones: Tombstones
) -> Threads:
    """Put conversations together, each with the shard in which it begins: a new file changes few of the others."""
    paths = [one.folder(draft.workspace) / ROWS for one in messages]
    gone = forgotten_in(read_table(path, ("conversation", "role")) for path in paths)
    names = [renamed(read_table(path, ("conversation", "time")), gone, tombstones) for path in paths]
    begins = origins(names)
    parted = part((renamed(read_table(path), gone, tombstones) for path in paths), begins, draft.work)

    parts = []
    for number, (path, source) in enumerate(zip(parted, messages, strict=True)):
        threaded = conversations(path, number, shape)
        path.unlink()
        place = draft.folder / f"{number:04}"
        place.mkdir()
        write_table(place / ROWS, threaded.table)
        write_ledger(place, "collection", threaded.entries)
        parts.append(draft.part(RawLogs, place.name, _counts(threaded, source), {"logs": identity(source)}))
    return draft.seal(Threads, counts=add_counts(one.counts for one in parts), parts=tuple(parts))


def _counts(threaded: Threaded, source: MessageRows) -> dict[str, int]:
    """Count conversations, and the messages of the shard that could not be read at all."""
    bad = source.counts["rejected"]
    units = len(threaded.table) + len(threaded.entries) + bad
    counts = account({"in": units, "quarantined": bad}, len(threaded.table), threaded.entries)
    return counts | {"left_out": threaded.left_out}
