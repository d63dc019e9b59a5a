"""Holding: how a base is held while training, where the settings leave that to the device."""

from pathlib import Path

from tasks.core.errors import ModelError
from tasks.core.model.base_files import weight_files
from tasks.core.model.headers import weights_in
from tasks.core.model.methods import FULL, PISSA
from tasks.core.settings import Held, TrainingSettings

UNROUNDED = frozenset((FULL, PISSA))
"""Methods that need weights in full precision."""
ROOM = 0.5  # of a device's memory that weights may take unquantized; the rest is for what a step computes


def count_weights(base: Path) -> int:
    """Count the weights of a base, and of no file beside it. Raises `ModelError` for files that are none."""
    try:
        return sum(map(weights_in, weight_files(base)))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The weights of the base {base} cannot be read ({type(error).__name__}).",
            cure="Bring its files anew; of those that git keeps elsewhere, fetch the content.",
        ) from error


def unquantized_bytes(weights: int, itemsize: int, training: TrainingSettings) -> int:
    """Give the bytes that a device holds of so many weights in a compute type of `itemsize`; a shared base is held in parts."""
    return weights * itemsize // (training.processes if training.sharding else 1)


def choose_quantization(held: int, method: str, memory: int) -> Held:
    """Choose by the bytes that a device would hold of a base unquantized, and by those of its memory.

    The choice is the same on like machines, whatever else runs there.
    """
    return "none" if method in UNROUNDED or held <= ROOM * memory else "nf4"
