"""Weights: each under its name in a GGUF file, with its rows where llama.cpp looks for them, read one at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.core.errors import ModelError
from tasks.core.export.architectures import Architecture
from tasks.core.export.extras import gguf_library
from tasks.core.export.refusing import cannot_say

WeightType = Literal["f16", "f32"]
Numbers = npt.NDArray[Any]
ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True)
class Weight:
    """A weight of a model: its `name` in the GGUF file, and where it lies, which is `file` under `key`.

    `heads` is how many heads change the order of their rows; 0 leaves all in place. Without a file, `values` are the numbers.
    """

    name: str
    shape: tuple[int, ...]
    kind: WeightType
    file: Path | None = None
    key: str = ""
    heads: int = 0
    values: tuple[float, ...] = ()


def weights_of(folder: Path, architecture: Architecture, kind: WeightType) -> list[Weight]:
    """List the weights of a merged model, shard by shard; `kind` is that of matrices, vectors are always in 32 bit.

    Raises `ModelError` when they are not those of the architecture.
    """
    from safetensors import safe_open

    names = _names(architecture)
    found: list[Weight] = []
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as opened:
            for key in opened.keys():  # noqa: SIM118 - it is no mapping
                shape = tuple(opened.get_slice(key).get_shape())
                if architecture.shapes.get(key) != shape:
                    raise cannot_say(f"its weight {key} {list(shape)} is none of the architecture's")
                heads = _moving_heads(key, architecture)
                found.append(Weight(names[key], shape, kind if len(shape) > 1 else "f32", file, key, heads))
    missing = sorted(architecture.shapes.keys() - {one.key for one in found})
    if missing:
        raise cannot_say(f"its weight {missing[0]} is not in its files")
    factors = architecture.rope_factors
    made = [Weight(ROPE_FACTORS, (len(factors),), "f32", values=factors)] if factors else []
    return [*found, *made]


def numbers_of(weight: Weight) -> Numbers:
    """Read a weight as the file has it: rows in order, in its type.

    Raises `ModelError` for numbers that are none, or too large for 16 bit.
    """
    import torch
    from safetensors import safe_open

    dtype = torch.float16 if weight.kind == "f16" else torch.float32
    if weight.file is None:
        return np.array(weight.values, dtype=np.float32)
    with safe_open(str(weight.file), framework="pt") as opened:
        read = opened.get_tensor(weight.key)
    converted = read.to(dtype)
    if not torch.isfinite(converted).all():
        if torch.isfinite(read).all():
            raise ModelError(
                f"The weight {weight.key} has numbers that do not fit 16 bit.",
                cure="Export it with --type f32.",
            )
        raise ModelError(
            f"The weight {weight.key} has numbers that are none.",
            cure="Export another version; reject this one.",
        )
    ordered = interleave(converted, weight.heads) if weight.heads else converted
    numbers: Numbers = ordered.contiguous().numpy()
    return numbers


def interleave(rows: Any, heads: int) -> Any:
    """Put the rows [heads * width, …] of queries or keys so that what is rotated together lies side by side.

    transformers rotates row i of a head with row i + width / 2, llama.cpp row 2i with row 2i + 1.
    """
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def _names(architecture: Architecture) -> dict[str, str]:
    gguf = gguf_library()
    numbers = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}
    known = gguf.get_tensor_name_map(numbers[architecture.name], architecture.layers)
    names = {key: known.get_name(key, try_suffixes=(".weight", ".bias")) for key in architecture.shapes}
    nameless = next((key for key, name in names.items() if name is None), None)
    if nameless:
        raise cannot_say(f"its weight {nameless} has no name there")
    return names


def _moving_heads(key: str, architecture: Architecture) -> int:
    layer = key.rpartition(".")[0]
    if not architecture.interleaved or not layer.endswith(("q_proj", "k_proj")):
        return 0
    return architecture.heads if layer.endswith("q_proj") else architecture.key_heads
