"""Holding: how a base is held while training, where the settings leave that to the device."""

from tasks.core.model.methods import FULL, PISSA
from tasks.core.settings import Held, TrainingSettings

UNROUNDED = frozenset((FULL, PISSA))
"""Methods that need weights in full precision."""
ROOM = 0.5  # of a device's memory that weights may take unquantized; the rest is for what a step computes


def unquantized_bytes(weights: int, itemsize: int, training: TrainingSettings) -> int:
    """Give the bytes that a device holds of so many weights in a compute type of `itemsize`; a shared base is held in parts."""
    return weights * itemsize // (training.processes if training.sharding else 1)


def choose_quantization(held: int, method: str, memory: int) -> Held:
    """Choose by the bytes that a device would hold of a base unquantized, and by those of its memory.

    The choice is the same on like machines, whatever else runs there.
    """
    return "none" if method in UNROUNDED or held <= ROOM * memory else "nf4"
