"""What an adapter has learned from: which rows it, or the one that it goes on from, was trained on.

Rows are known by a hash of their ids, of which neither id nor text can be read.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.core.selection.signatures import Keys, key_of_text
from tasks.core.store.rows import read_table, write_table
from tasks.core.tokens.storing import example_of

LEARNED = "learned.arrow"


def keys_of(row_ids: Iterable[str]) -> Keys:
    """Give the key of each row; the pieces of an example share one."""
    return np.array([key_of_text(example_of(name)) for name in row_ids], np.uint64)


def save_learned(folder: Path, row_ids: Iterable[str], earlier: Path | None) -> None:
    """Leave in `folder` the keys of these rows and of those that the adapter in `earlier` has learned, sorted, each once."""
    known = load_learned(earlier) if earlier else np.array([], np.uint64)
    write_table(folder / LEARNED, pa.table({"row_key": np.union1d(keys_of(row_ids), known)}))


def load_learned(folder: Path) -> Keys:
    """Read what `save_learned` left."""
    keys: Keys = read_table(folder / LEARNED)["row_key"].to_numpy()
    return keys
