"""Evidence: what a workspace holds of one requester, found by their name as the log has it, and by what leads on from there.

From the name to their rows; from a row to others of the same record, in whose history their words are; from a message to
all rows of its conversation.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.erasure.lineage import Artifact, artifacts, made_from
from tasks.core.erasure.log_reading import LogFinds
from tasks.core.erasure.naming import names
from tasks.core.erasure.needles import Needles
from tasks.core.store.fixed_rows import FIXED, read_fixed
from tasks.core.store.quarantine import read_quarantine
from tasks.core.store.rows import QUARANTINE, ROWS, iterate_rows, read_table
from tasks.core.store.run_files import TABLE

RECORD = 16  # characters of a row's id that name its record
FIRST = ("message_collection", "collection", "conversation_threading", "readmission")
TEXTS = ("question", "reply", "text")
Row = dict[str, Any]
Table = tuple[Path, pa.Table]


@dataclass
class Evidence:
    """What was found of a requester; in memory only, but for the hashes of it that tombstones hold."""

    requester: str
    rows: set[str] = field(default_factory=set)
    """Ids of rows."""
    records: set[str] = field(default_factory=set)
    """Hashes of records' bytes."""
    broken: set[str] = field(default_factory=set)
    """Of these, the records that cannot be read and name the requester."""
    conversations: set[str] = field(default_factory=set)
    threads: set[str] = field(default_factory=set)
    """Of these, the conversations of logs with one message a row."""
    texts: set[str] = field(default_factory=set)

    def take(self, row: Mapping[str, Any]) -> None:
        """Take in a row, or a message."""
        if row.get("row_id"):
            self.rows.add(row["row_id"])
            self.records.add(row["row_id"][:RECORD])
        if row.get("conversation"):
            self.conversations.add(row["conversation"])
        self.texts.update(texts_of(row))


def gather(workspace: Path, requester: str, logs: LogFinds) -> Evidence:
    """Find everything of a requester in a workspace; `logs` is what the logs themselves hold of them."""
    found = Evidence(requester, records=set(logs.records), broken=set(logs.broken), texts=set(logs.texts))
    found.records |= found.broken
    every = artifacts(workspace)
    threaded = _take_messages(every, found)
    while True:  # what is found by name names records, by which more is found
        before = len(found.rows), len(found.records), len(found.conversations)
        for folder, table in _tables(every):
            of_thread = folder in threaded
            for row in table.filter(_mine(table, found, of_thread=of_thread)).to_pylist():
                found.take(row)
        for folder, line in _rejected(workspace, every):
            _take_rejected(line, found, of_thread=folder in threaded)
        for row in read_fixed(workspace / FIXED).values():
            if is_of(row, found):
                found.take(row)
        if before == (len(found.rows), len(found.records), len(found.conversations)):
            return found


def is_of(row: Mapping[str, Any], found: Evidence) -> bool:
    """Say whether a row is of the requester, or of a record that is theirs."""
    return row.get("requester") == found.requester or row["row_id"][:RECORD] in found.records


def seen_of_others(workspace: Path, found: Evidence, needles: Needles) -> tuple[set[bytes], int]:
    """Give the needles that rows of others hold too, which therefore tell nothing; and how many of those name the requester."""
    every = artifacts(workspace)
    threaded = made_from(every, _digests_of_messages(every, found))
    common, naming = set[bytes](), 0
    for folder, table in _tables([one for one in every if one.step in FIRST]):
        theirs = table.filter(pc.invert(_mine(table, found, of_thread=folder in threaded)))
        for batch in theirs.to_batches(2**12):
            rows = batch.to_pylist()
            told = ["\0".join(texts_of(row)) for row in rows]
            naming += sum(names(text, found.requester) for text in told)
            ids = (
                str(row.get(name) or "") for row in rows for name in ("requester", "agent", "conversation")
            )
            common |= needles.within("\0".join((*told, *ids)).encode("utf-8", "surrogatepass"))
    return common, naming


def texts_of(row: Mapping[str, Any]) -> list[str]:
    """Give what is said in a row, or a message."""
    return [text for text in (*(row.get(name) for name in TEXTS), *_earlier(row)) if text]


def _earlier(row: Mapping[str, Any]) -> Iterator[str]:
    yield from (turn["text"] for turn in row.get("history") or ())
    yield from row.get("messages") or ()  # of a conversation that gave no row
    yield row.get("raw") or ""  # of a record that gave none


def _tables(every: Iterable[Artifact]) -> Iterator[Table]:
    """Give the tables of rows that say who asked, with the folder of each."""
    for one in every:
        for path in sorted(one.folder.rglob(ROWS)):
            yield path.parent, read_table(path)


def _mine(table: pa.Table, found: Evidence, *, of_thread: bool) -> pa.Array:
    mine = pc.equal(table["requester"], found.requester)
    if "row_id" in table.column_names:
        records = pa.array(sorted(found.records), pa.string())
        mine = pc.or_(mine, pc.is_in(pc.utf8_slice_codeunits(table["row_id"], 0, RECORD), records))
    if of_thread or "row_id" not in table.column_names:
        mine = pc.or_(mine, pc.is_in(table["conversation"], pa.array(sorted(found.threads), pa.string())))
    return mine


def _take_messages(every: Sequence[Artifact], found: Evidence) -> set[Path]:
    """Take in the requester's messages and their conversations; give the folders of what was made from them."""
    for _, table in _tables([one for one in every if one.step == "message_collection"]):
        for row in table.filter(pc.equal(table["requester"], found.requester)).to_pylist():
            found.take(row)
            found.threads.add(row["conversation"])
    return made_from(every, _digests_of_messages(every, found))


def _digests_of_messages(every: Iterable[Artifact], found: Evidence) -> set[str]:
    if not found.threads:
        return set()
    return {one.whole.digest for one in every if one.step == "message_collection"}


def _rejected(workspace: Path, every: Iterable[Artifact]) -> Iterator[tuple[Path, Row]]:
    """Give what is in quarantine, of artifacts and of runs, with its content."""
    for one in every:
        for path in sorted(one.folder.rglob(QUARANTINE)):
            yield from ((path.parent, line) for line in iterate_rows(path))
    for path in sorted((workspace / "runs").glob(f"*/{TABLE}")):
        for line in read_quarantine(path):
            if line["row"]:
                yield path.parent, {**line, "row": json.loads(line["row"])}


def _take_rejected(line: Row, found: Evidence, *, of_thread: bool) -> None:
    row = {**line["row"], "row_id": line["row_id"]}
    if names(row.get("raw") or "", found.requester):
        found.broken.add(row["row_id"][:RECORD])
    elif not (is_of(row, found) or (of_thread and row.get("conversation") in found.threads)):
        return
    found.take(row)
