"""Earlier gathering: held-out rows of the champion's dataset that today's logs do not hold, to tell what is forgotten."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.receipts import EarlierRows, Formation, KnownDataset, ValidCleanLogs
from tasks.core.selection.earlier import new_to
from tasks.core.selection.hashing import HASHES, hash_rows
from tasks.core.selection.signatures import key_of_text
from tasks.core.selection.verdicts import VERDICTS
from tasks.core.store.artifacts import Draft
from tasks.core.store.rows import ROWS, read_table
from tasks.core.store.tombstones import Tombstones
from tasks.core.tokens.storing import HELD_OUT, example_of, load_token_rows, save_token_rows
from tasks.lid import step

CHUNK = 2000  # rows hashed at a time: no more are looked at than are needed
RECORD = 16  # characters of a row's id that name its record
WHO = ("row_id", "requester", "conversation")
SAID = (*WHO, "created", "history", "question", "reply", "split")


@step("earlier_gathering", EarlierRows, libraries=("numpy", "pyarrow", "rensa"))
def gather_earlier_rows(
    draft: Draft,
    known: KnownDataset,
    clean: tuple[ValidCleanLogs, ...],
    formation: Formation,
    tombstones: Tombstones,
    most: int,
) -> EarlierRows:
    """Take the first `most` held-out rows by id that are new to today's, of nobody who is taught or to be forgotten."""
    folders = [shard.folder(draft.workspace) for shard in known.examples.shards]
    rows = load_token_rows(known.rows.folder(draft.workspace) / HELD_OUT)
    today, taught = _today(draft.workspace, clean, formation)

    gone = _forgotten_records(folders, tombstones)
    apart = {example_of(row.row_id) for row in rows if row.group not in taught}
    asked = [row for row in _held_out(folders, today) if row["row_id"] in apart]
    kept = [row for row in asked if row["row_id"][:RECORD] not in gone]
    taken = _first_new(today, kept, most)
    earlier = sorted((row for row in rows if example_of(row.row_id) in taken), key=lambda row: row.row_id)

    save_token_rows(draft.folder / HELD_OUT, earlier)
    counts = {
        "rows": len(earlier),
        "requesters": len({row.group for row in earlier}),
        "forgotten": len(asked) - len(kept),
    }
    return draft.seal(EarlierRows, counts=counts)


def _today(
    workspace: Path, clean: Sequence[ValidCleanLogs], formation: Formation
) -> tuple[list[pa.Table], set[str]]:
    """Give the hashes of all rows that were kept today, shard by shard, and the groups that are trained on."""
    tables, taught = [], set[str]()
    for shard, part in zip(clean, formation.parts, strict=True):
        verdicts = read_table(part.folder(workspace) / VERDICTS, ("place", "split", "group"))
        tables.append(read_table(shard.folder(workspace) / HASHES).take(verdicts["place"]))
        taught.update(verdicts.filter(pc.equal(verdicts["split"], "train"))["group"].to_pylist())
    return tables, taught


def _forgotten_records(folders: Sequence[Path], tombstones: Tombstones) -> set[str]:
    """Name the records of which a row is somebody's who is to be forgotten: their words may be in the others too."""
    if not tombstones:
        return set()
    rows = (row for folder in folders for row in read_table(folder / ROWS, WHO).to_pylist())
    return {
        row["row_id"][:RECORD]
        for row in rows
        if tombstones.cover("requester", row["requester"])
        or tombstones.cover("conversation", row["conversation"])
        or tombstones.cover("record", row["row_id"][:RECORD])
    }


def _held_out(folders: Sequence[Path], today: Sequence[pa.Table]) -> Iterator[dict[str, Any]]:
    """Give the held-out examples of a dataset that are not among today's rows by their id."""
    here = pa.chunked_array([chunk for table in today for chunk in table["row_key"].chunks], pa.uint64())
    for folder in folders:
        table = read_table(folder / ROWS, SAID)
        table = table.filter(pc.equal(table["split"], "held_out"))
        keys = pa.array([key_of_text(name) for name in table["row_id"].to_pylist()], pa.uint64())
        yield from table.filter(pc.invert(pc.is_in(keys, here))).to_pylist()


def _first_new(today: Sequence[pa.Table], rows: Sequence[dict[str, Any]], most: int) -> set[str]:
    """Name the first `most` rows by id that today's rows neither hold nor resemble."""
    ordered, taken = sorted(rows, key=lambda row: row["row_id"]), list[str]()
    for start in range(0, len(ordered), CHUNK):
        chunk = ordered[start : start + CHUNK]
        new = new_to(today, hash_rows(chunk))
        taken += [row["row_id"] for row, is_new in zip(chunk, new, strict=True) if is_new]
        if len(taken) >= most:
            break
    return set(taken[:most])
