"""Formation: all rows are looked at together, by their hashes; repeats go, the rest is split."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.receipts import Formation, RawLogs, ValidCleanLogs, Verdicts
from tasks.core.selection.hashing import HASHES, hashes_of
from tasks.core.selection.splitting import Flags
from tasks.core.selection.verdicts import VERDICTS, Fate, Judged, Rules, judge
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import Entry, account, add_counts, write_ledger
from tasks.core.store.ledger import Fate as LedgerFate
from tasks.core.store.rows import ROWS, read_table, write_table
from tasks.lid import step
from tasks.step_identity import identity

Rows = npt.NDArray[np.int64]
USES = 1000  # a reply that is used more often counts as this often, so that more logs change fewer shards
FATES: dict[Fate, tuple[LedgerFate, str]] = {
    Fate.DUPLICATE: ("duplicates", "equals row {of}"),
    Fate.NEAR_DUPLICATE: ("duplicates", "nearly equals row {of}"),
    Fate.TWIN_OF_HELD_OUT: ("duplicates", "nearly equals the held-out row {of}"),
    Fate.STRADDLES_THE_SPLIT: ("filtered", "newer than the split, and its requester is trained on"),
    Fate.TOO_MANY_OF_REQUESTER: ("filtered", "beyond format.max_per_requester"),
    Fate.NO_TIME_TO_SPLIT_BY: ("filtered", "without a time it is on no side of a split by time"),
    Fate.MENDED: ("quarantined", "a person has mended it: see what became of the mended row"),
}


@step("formation", Formation, libraries=("numpy", "pyarrow"))
def form_examples(
    draft: Draft, shards: tuple[ValidCleanLogs, ...], taken_back: RawLogs | None, rules: Rules
) -> Formation:
    """Keep the first of equal and of nearly equal conversations, and split by group, the same way in every run.

    Rows that were `taken_back` are in the last shard, and stand in for those of the same id in the others.
    """
    folders = [shard.folder(draft.workspace) for shard in shards]
    ids = [read_table(folder / ROWS, ("row_id", "line")) for folder in folders]
    hashes, company = hashes_of([read_table(folder / HASHES) for folder in folders])

    judged = judge(hashes, company, rules, _mended(draft, ids, taken_back))

    parts = _write(draft, shards, ids, judged)
    return draft.seal(Formation, counts=add_counts(part.counts for part in parts), parts=tuple(parts))


def _mended(draft: Draft, ids: Sequence[pa.Table], taken_back: RawLogs | None) -> Flags | None:
    if taken_back is None:
        return None
    theirs = read_table(taken_back.folder(draft.workspace) / ROWS, ("row_id",))["row_id"].combine_chunks()
    flags = [pc.is_in(one["row_id"], theirs).to_numpy().astype(np.bool_) for one in ids[:-1]]
    return np.concatenate([*flags, np.zeros(len(ids[-1]), np.bool_)])


def _write(
    draft: Draft, shards: Sequence[ValidCleanLogs], ids: Sequence[pa.Table], judged: Judged
) -> list[Verdicts]:
    """Write the verdicts shard by shard: a shard whose verdicts stay the same is not looked at again."""
    starts = np.cumsum([0, *(len(one) for one in ids)])
    every = pa.chunked_array([chunk for one in ids for chunk in one["row_id"].chunks], pa.string())
    parts = []
    for number, (shard, own) in enumerate(zip(shards, ids, strict=True)):
        rows = np.arange(starts[number], starts[number + 1])
        kept = rows[judged.fates[rows] == Fate.KEPT]
        entries = _entries(judged, rows[judged.fates[rows] != Fate.KEPT], own, int(starts[number]), every)
        place = draft.folder / f"{number:04}"
        place.mkdir()
        write_table(place / VERDICTS, _verdicts(judged, kept, int(starts[number])))
        write_ledger(place, "formation", entries)
        counts = account(shard.counts, len(kept), entries)
        parts.append(draft.part(Verdicts, place.name, counts, {"logs": identity(shard)}))
    return parts


def _entries(judged: Judged, rows: Rows, own: pa.Table, start: int, every: pa.ChunkedArray) -> list[Entry]:
    dropped = own.take(rows - start).to_pylist()
    first = every.take(np.maximum(judged.of[rows], 0)).to_pylist()
    entries = []
    for row, fate, of in zip(dropped, judged.fates[rows], first, strict=True):
        ledger_fate, reason = FATES[Fate(fate)]
        repeats = of if ledger_fate == "duplicates" else ""
        rule, why = Fate(fate).name.lower(), reason.format(of=of)
        entries.append(Entry(row["row_id"], row["line"], ledger_fate, rule, why, of=repeats))
    return entries


def _verdicts(judged: Judged, kept: Rows, start: int) -> pa.Table:
    """Give, for each kept row of a shard, its place there and what the third door asks of it."""
    return pa.table(
        {
            "place": pa.array(kept - start, pa.int32()),
            "split": np.where(judged.held_out[kept], "held_out", "train"),
            "group": [f"{group:016x}" for group in judged.groups[kept].tolist()],
            "sides_of_group": pa.array(judged.sides_of_group[kept], pa.int8()),
            "rows_of_group": pa.array(np.minimum(judged.rows_of_group[kept], USES), pa.int32()),
            "reply_uses": pa.array(np.minimum(judged.reply_uses[kept], USES), pa.int32()),
            "twin_on_other_side": judged.twin_on_other_side[kept],
        }
    )
