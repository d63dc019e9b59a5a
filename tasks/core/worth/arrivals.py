"""Arrivals: what is new in a dataset since another, by the ids of rows; their texts are measured and not looked at."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.receipts import ExampleShard, ValidExamples
from tasks.core.store.artifacts import stored_receipts
from tasks.core.store.ledger import Fate
from tasks.core.store.rows import LEDGER, ROWS, iterate_rows, read_table
from tasks.core.worth.drift import Drift, drift_of

COLUMNS = ("row_id", "split", "language", "product", "question", "reply")
TRAITS = ("language", "product", "length")
REPEATS: Fate = "duplicates"


@dataclass(frozen=True)
class Dataset:
    """What is known of a dataset's rows.

    `taught` are its training rows, with id, language, product, and length as the power of two of its characters; `kept`
    the ids of all its rows; `repeats` those of the rows that were left out as they equal or nearly equal another, one for
    each time, or None where the store has no word on them any more.
    """

    taught: pa.Table
    kept: pa.Array
    repeats: tuple[str, ...] | None


@dataclass(frozen=True)
class News:
    """What is new in a dataset since another, in rows; `repeats` of what came since only repeat, None if not known."""

    taught: int
    new: int
    gone: int
    came: int = 0
    repeats: int | None = None
    drift: Mapping[str, Drift] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Give the share of the training rows that is new."""
        return self.new / self.taught if self.taught else 0.0


def read_dataset(workspace: Path, examples: ValidExamples) -> Dataset:
    """Read what is known of a dataset's rows, shard by shard."""
    tables = [_measured(read_table(one.folder(workspace) / ROWS, COLUMNS)) for one in examples.shards]
    whole = pa.concat_tables(tables)
    return Dataset(
        taught=whole.filter(pc.equal(whole["split"], "train")),
        kept=whole["row_id"].combine_chunks(),
        repeats=_repeats(workspace, examples.shards),
    )


def compare_datasets(today: Dataset, then: Dataset) -> News:
    """Say what is new today: training rows that were none then, and how they differ from those of then."""
    is_new = pc.invert(pc.is_in(today.taught["row_id"], then.taught["row_id"].combine_chunks()))
    new = today.taught.filter(is_new)
    stayed = len(today.taught) - len(new)
    came, repeats = _came(today, then)
    return News(
        taught=len(today.taught),
        new=len(new),
        gone=len(then.taught) - stayed,
        came=came,
        repeats=repeats,
        drift={trait: drift_of(_counts(new, trait), _counts(then.taught, trait)) for trait in TRAITS},
    )


def _measured(rows: pa.Table) -> pa.Table:
    """Give rows with the length of question and reply together, in place of the two."""
    characters = pc.add(pc.utf8_length(rows["question"]), pc.utf8_length(rows["reply"]))
    doublings = pc.floor(pc.log2(pc.max_element_wise(pc.cast(characters, pa.float64()), 1.0)))
    length = pc.cast(pc.cast(doublings, pa.int32()), pa.string())
    return rows.select(["row_id", "split", "language", "product"]).append_column("length", length)


def _counts(rows: pa.Table, trait: str) -> dict[str, int]:
    return {str(one["values"]): one["counts"] for one in pc.value_counts(rows[trait]).to_pylist()}


def _came(today: Dataset, then: Dataset) -> tuple[int, int | None]:
    """Count the rows that came since, kept or not, and of those the ones that were left out as repeats.

    One row may come several times, byte for byte, and has one id then: it counts as often as it is there.
    """
    kept = int(pc.sum(pc.invert(pc.is_in(today.kept, then.kept))).as_py() or 0)
    if today.repeats is None or then.repeats is None:
        return kept, None
    seen = Counter([*today.kept.to_pylist(), *today.repeats])
    seen.subtract([*then.kept.to_pylist(), *then.repeats])
    came = sum(count for count in seen.values() if count > 0)
    return came, max(came - kept, 0)


def _repeats(workspace: Path, shards: tuple[ExampleShard, ...]) -> tuple[str, ...] | None:
    """Read from the ledgers of the formation which rows were left out as repeats."""
    folders = {
        part["digest"]: workspace / part["path"]
        for receipt in stored_receipts(workspace, "formation")
        for part in receipt["parts"]
    }
    ledgers = [folders.get(shard.made_from["verdicts"]["Verdicts"], Path()) / LEDGER for shard in shards]
    if not all(ledger.is_file() for ledger in ledgers):
        return None
    return tuple(
        entry["row_id"] for ledger in ledgers for entry in iterate_rows(ledger) if entry["fate"] == REPEATS
    )
