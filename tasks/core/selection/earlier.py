"""Earlier rows: which rows of another dataset are new to today's, by the hashes that the split goes by."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tasks.core.selection.hashing import BAND_NAMES, hashes_of
from tasks.core.selection.resemblance import first_alike
from tasks.core.selection.signatures import Keys
from tasks.core.selection.splitting import Flags
from tasks.core.selection.verdicts import SEALED_FROM

NAMES = ("row_key", "fingerprint")  # of a row, and of what is said in it


def new_to(today: Sequence[pa.Table], rows: pa.Table) -> Flags:
    """Say of each row whether today's hold neither it nor one that is nearly equal; both are tables of hashes."""
    known, near = np.zeros(len(rows), np.bool_), list[pa.Table]()
    for table in today:
        for name in NAMES:
            known |= np.isin(_keys(rows, name), _keys(table, name))
        bands = [np.isin(_keys(table, band), _keys(rows, band)) for band in BAND_NAMES]
        near.append(table.filter(pa.array(np.logical_or.reduce(bands))))
    hashes, company = hashes_of([rows, *near])
    leads = np.arange(len(hashes)) >= len(rows)
    order = np.r_[np.flatnonzero(leads), np.flatnonzero(~leads)]
    alike = first_alike(company, hashes.signatures, order, SEALED_FROM, leads)[: len(rows)] >= 0
    new: Flags = ~(known | alike)
    return new


def _keys(table: pa.Table, name: str) -> Keys:
    keys: Keys = table[name].to_numpy()
    return keys
