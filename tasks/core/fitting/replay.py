"""Replay: what a training that goes on from an adapter is trained on: all that is new to it, and some that it knows.

Without the latter it would forget what the new rows do not ask for.

Source: experience replay (Rolnick et al., 1811.11682).
"""

from dataclasses import dataclass

import numpy as np

from tasks.core.selection.signatures import Keys
from tasks.core.selection.splitting import Flags, mixed


@dataclass(frozen=True)
class Chosen:
    """Of each row, whether it is trained on; and how many examples are new, replayed, and left out since they are known."""

    rows: Flags
    new: int
    replayed: int
    left_out: int


def choose(keys: Keys, learned: Keys, share: float, salt: str) -> Chosen:
    """Choose by the keys of examples, of which a row of a long one has the same.

    Those that are not `learned` are all in; of the others come as many as make up `share` of what is in, or all if they are
    fewer. Which ones is decided by the hash of each and the salt alone.
    """
    examples = np.unique(keys)
    known = examples[np.isin(examples, learned)]
    new = len(examples) - len(known)
    count = len(known) if share == 1 else min(len(known), round(new * share / (1 - share)))
    replayed = known[np.argsort(mixed(known, f"replay/{salt}"))[:count]]
    left_out = np.setdiff1d(known, replayed)
    return Chosen(~np.isin(keys, left_out), new, count, len(left_out))
