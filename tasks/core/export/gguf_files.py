"""GGUF files: written in one stretch, a weight at a time, and read back against what they were made from.

Only one weight is in memory at once, in its own type and in the file's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import ModelError
from tasks.core.export.architectures import Fact
from tasks.core.export.extras import gguf_library
from tasks.core.export.weights import Numbers, Weight, numbers_of

ARCHITECTURE = "general.architecture"
COUNTS = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count"}
CURE = "Try again, on another disk."


def write_file(path: Path, facts: dict[str, Fact], weights: Sequence[Weight]) -> None:
    """Write facts and weights into a new file; the fact `general.architecture` must be among them."""
    writer = _begun(path, facts, weights)
    try:
        for weight in weights:
            writer.write_tensor_data(numbers_of(weight))
    finally:
        writer.close()


def check_file(path: Path, facts: dict[str, Fact], weights: Sequence[Weight]) -> None:
    """Read a file back and compare it with what it was made from: every fact, and every weight bit for bit.

    Raises `ModelError` with the first that differs.
    """
    # A length that was damaged keeps the reader busy for ever, so what comes before the weights is compared first.
    if not _begins_alike(path, facts, weights):
        raise _damaged(path, "its description")
    try:
        reader = gguf_library().GGUFReader(path)
        found = {one.name: one.data for one in reader.tensors}
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise _damaged(path, "its weights") from error
    told = {name: one.contents() for name, one in reader.fields.items() if name not in COUNTS}
    wrong = sorted(
        name for name in told.keys() | facts.keys() if not _agrees(told.get(name), facts.get(name))
    )
    if wrong:
        raise _damaged(path, wrong[0])
    if found.keys() != {one.name for one in weights}:
        raise _damaged(path, "its list of weights")
    for weight in weights:
        if not _same_bits(found[weight.name], numbers_of(weight)):
            raise _damaged(path, weight.name)


def _begun(path: Path, facts: dict[str, Fact], weights: Sequence[Weight]) -> Any:
    """Write all that comes before the weights."""
    gguf = gguf_library()
    writer = gguf.GGUFWriter(path, facts[ARCHITECTURE])
    for name, fact in facts.items():
        if name != ARCHITECTURE:  # which the writer has written by itself
            writer.add_key_value(name, fact, *_kinds_of(gguf.GGUFValueType, fact))
    for weight in weights:
        dtype = np.dtype(np.float16 if weight.kind == "f16" else np.float32)
        size = int(np.prod(weight.shape)) * dtype.itemsize
        writer.add_tensor_info(weight.name, weight.shape, dtype, size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return writer


def _kinds_of(kinds: Any, fact: Fact) -> tuple[Any, Any]:
    """Give the type of a fact in the file, and that of what is in it if it is a list."""
    of = {bool: kinds.BOOL, int: kinds.UINT32, float: kinds.FLOAT32, str: kinds.STRING}
    inside = {int: kinds.INT32, float: kinds.FLOAT32, str: kinds.STRING}
    if isinstance(fact, list):
        return kinds.ARRAY, inside[type(fact[0])]
    return of[type(fact)], None


def _begins_alike(path: Path, facts: dict[str, Fact], weights: Sequence[Weight]) -> bool:
    beside = path.with_name(f"{path.name}.begun")
    try:
        _begun(beside, facts, weights).close()
        wanted = beside.read_bytes()
    finally:
        beside.unlink(missing_ok=True)
    with path.open("rb") as file:
        return file.read(len(wanted)) == wanted


def _agrees(told: Any, fact: Fact | None) -> bool:
    if isinstance(fact, float):
        return bool(told == np.float32(fact))
    if isinstance(fact, list) and isinstance(fact[0], float):
        return np.array_equal(np.array(told, np.float32), np.array(fact, np.float32))
    return bool(told == fact)


def _same_bits(left: Numbers, right: Numbers) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return np.array_equal(left.view(f"u{left.itemsize}"), right.view(f"u{right.itemsize}"))


def _damaged(path: Path, what: str) -> ModelError:
    return ModelError(f"{path.name} did not come out as it was written: {what} differs.", cure=CURE)
