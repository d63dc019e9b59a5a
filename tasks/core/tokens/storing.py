"""Token rows on disk: one Arrow stream that the trainer maps into memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.tokens.encoded import Encoded

TRAIN, HELD_OUT, TOKENIZER = "train.arrow", "held_out.arrow", "tokenizer"
SAMPLES, LENGTHS = "samples.jsonl", "lengths.json"
BATCH = 1000  # rows; a stream is cut here, wherever its rows come from, so that equal rows are equal bytes
SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("group", pa.string()),
        ("language", pa.string()),
        ("product", pa.string()),
        ("ids", pa.list_(pa.int32())),
        ("prompt_length", pa.int32()),
        ("weight", pa.float32()),
        ("month", pa.string()),
        ("outcome", pa.string()),
    ]
)
TAUGHT = ("row_id", "group", "ids", "prompt_length", "weight")
"""What a training reads of a row; the other columns are for those who judge."""


@dataclass(frozen=True)
class TokenRow:
    """Token ids of one example with what evaluation groups by; no text. Its loss counts `weight` times.

    `month` is that of its question, as YYYY-MM, and `outcome` is `solved` or `not solved`; empty where that is not known.
    """

    row_id: str
    group: str
    language: str
    product: str
    ids: list[int]
    prompt_length: int
    weight: float = 1.0
    month: str = ""
    outcome: str = ""


def rows_of_pieces(
    row_id: str,
    group: str,
    language: str,
    product: str,
    weight: float,
    pieces: Sequence[Encoded],
    month: str = "",
    outcome: str = "",
) -> list[TokenRow]:
    """Give the rows of one example; a piece of a reply is named after it, as `row/2`, for no two rows share a name."""
    return [
        TokenRow(
            row_id if one.whole else f"{row_id}/{one.piece}",
            group,
            language,
            product,
            one.ids,
            one.prompt_length,
            weight,
            month,
            outcome,
        )
        for one in pieces
    ]


def example_of(row_id: str) -> str:
    """Name the example that a token row is of."""
    return row_id.partition("/")[0]


def save_token_rows(path: Path, rows: Iterable[TokenRow]) -> int:
    """Write rows as an Arrow stream and give their number; equal rows give equal bytes."""
    waiting = iter(rows)
    chunks = iter(lambda: [asdict(row) for row in islice(waiting, BATCH)], [])
    return _write(path, (pa.RecordBatch.from_pylist(chunk, schema=SCHEMA) for chunk in chunks))


def concatenate_token_rows(paths: Iterable[Path], target: Path) -> int:
    """Join streams into one, in the order given, and give the number of rows; two thousand are in memory at a time.

    The result does not tell where one stream ended: it has the bytes that all rows would have been saved to.
    """
    return _write(target, (batch for path in paths for batch in _batches(path)))


def count_groups(path: Path) -> int:
    """Count the groups (requesters, or conversations) that rows are of."""
    return len(set(row_groups(path)))


def row_ids(path: Path) -> list[str]:
    """Give the ids of all rows, in their order."""
    return _texts(path, "row_id")


def row_groups(path: Path) -> list[str]:
    """Give the groups of all rows, in their order."""
    return _texts(path, "group")


def pick_token_rows(path: Path, places: Iterable[bool], target: Path) -> int:
    """Write the rows for which `places` says so, in their order, and give their number."""
    told = iter(places)
    flags = ((batch, pa.array(islice(told, len(batch)), pa.bool_())) for batch in _batches(path))
    return _write(target, (batch.filter(chosen) for batch, chosen in flags))


def teach_the_same(one: Path, other: Path) -> bool:
    """Say whether a training on two files of rows is the very same, whatever else they tell of them; on damaged ones it is not."""
    try:
        return all(
            mine is not None and theirs is not None and mine.select(TAUGHT).equals(theirs.select(TAUGHT))
            for mine, theirs in zip_longest(_batches(one), _batches(other))
        )
    except (OSError, pa.ArrowException):
        return False


def longest_row(path: Path) -> int:
    """Give the tokens of the longest row."""
    return max(pc.max(_lengths(batch)).as_py() for batch in _batches(path))


def largest_share(path: Path) -> float:
    """Give the largest share of a row's tokens that is its reply."""
    return 1 - min(
        pc.min(pc.divide(batch.column("prompt_length").cast(pa.float64()), _lengths(batch))).as_py()
        for batch in _batches(path)
    )


def lengths_of(path: Path) -> list[int]:
    """Give the tokens of each row, in order."""
    return [n for batch in _batches(path) for n in _lengths(batch).to_pylist()]


def load_token_rows(path: Path) -> list[TokenRow]:
    """Read all rows; for scoring, where every row is used once."""
    return [TokenRow(**row) for batch in _batches(path) for row in batch.to_pylist()]


def map_token_rows(path: Path) -> Any:
    """Map rows into memory as a `datasets.Dataset`; for training, where rows are drawn by number."""
    from datasets import Dataset

    return Dataset.from_file(str(path))


def _lengths(batch: pa.RecordBatch) -> Any:
    return pc.list_value_length(batch.column("ids"))


def _texts(path: Path, column: str) -> list[str]:
    return [text for batch in _batches(path) for text in batch.column(column).to_pylist()]


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
        yield from stream


def _write(path: Path, batches: Iterable[pa.RecordBatch]) -> int:
    count = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as stream:
        for batch in _evenly(batches):
            stream.write_batch(batch)
            count += len(batch)
    return count


def _evenly(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches anew, so that each but the last has exactly `BATCH` rows."""
    waiting = SCHEMA.empty_table()
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch], SCHEMA)])
        while len(waiting) >= BATCH:
            yield from waiting.slice(0, BATCH).combine_chunks().to_batches()
            waiting = waiting.slice(BATCH)
    yield from waiting.combine_chunks().to_batches()
