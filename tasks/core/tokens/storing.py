"""Token rows on disk: one Arrow file that the trainer maps into memory."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TRAIN, HELD_OUT, TOKENIZER = "train.arrow", "held_out.arrow", "tokenizer"


@dataclass(frozen=True)
class TokenRow:
    """Token ids of one example with what evaluation groups by; no text."""

    row_id: str
    group: str
    language: str
    product: str
    ids: list[int]
    prompt_length: int


def save_token_rows(path: Path, rows: Iterable[TokenRow]) -> int:
    """Write rows as an Arrow stream and give their number; equal rows give equal bytes."""
    from datasets import Features, List, Value
    from datasets.arrow_writer import ArrowWriter

    text = Value("string")
    features = Features(
        row_id=text,
        group=text,
        language=text,
        product=text,
        ids=List(Value("int32")),
        prompt_length=Value("int32"),
    )
    count = 0
    with ArrowWriter(path=str(path), features=features) as writer:
        for row in rows:
            writer.write(asdict(row))
            count += 1
        writer.finalize()
    return count


def load_token_rows(path: Path) -> list[TokenRow]:
    """Read all rows; for scoring, where every row is used once."""
    return [TokenRow(**row) for row in map_token_rows(path)]


def map_token_rows(path: Path) -> Any:
    """Map rows into memory as a `datasets.Dataset`; for training, where rows are drawn by number."""
    from datasets import Dataset

    return Dataset.from_file(str(path))
