"""Models, measured: a 4-bit base from the store against quantizing it on load, and a merge against a copy of the files."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from deployments.bench.machine import machine
from deployments.bench.pairs import Measured, compare, pair_lines
from deployments.bench.training import QUIET
from deployments.bench.workload import Shape, make_base

SHAPE = Shape(1024, 12, 2816)  # about 155 million weights
SHARD = "128MB"
RANK = 16


def measure_models(rounds: int) -> Measured:
    """Measure loading and merging at one shape."""
    os.environ.update(QUIET)
    with tempfile.TemporaryDirectory(prefix="freshtune-bench-") as folder:
        place = Path(folder)
        base = _sharded(make_base(place / "made", SHAPE), place / "base")
        packed = _packed(base, place / "packed")
        return {
            "machine": machine(),
            "weights": sum(size.stat().st_size for size in base.glob("*.safetensors")) // 4,
            "pairs": [_loading(base, packed, rounds), *_merging(base, place, rounds)],
        }


def models_table(figures: Measured) -> str:
    """Lay the figures out for people."""
    lines = [line for pair in figures["pairs"] for line in pair_lines(pair)]
    return "\n".join([*lines, f"{figures['weights'] / 1e6:.0f} million weights in float32"])


def _sharded(made: Path, target: Path) -> Path:
    """Save a base in several files, as large ones come."""
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(made).save_pretrained(target, max_shard_size=SHARD)
    for path in made.glob("token*"):
        shutil.copy(path, target)
    return target


def _packed(base: Path, target: Path) -> Path:
    from tasks.core.model.loading import load_base
    from tasks.core.model.packed_weights import save_packed

    target.mkdir()
    save_packed(load_base(base, "nf4", packed=True).model, target)
    for path in base.iterdir():
        if path.suffix != ".safetensors" and "index" not in path.name:
            shutil.copy(path, target)
    return target


def _loading(base: Path, packed: Path, rounds: int) -> Measured:
    """Load 4-bit weights that lie in the store, and quantize the base's files: bit for bit the same."""
    import torch

    from tasks.core.model.loading import load_base

    def load(folder: Path) -> Any:
        return load_base(folder, "nf4", packed=True).model.state_dict()

    def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

    names = ("4-bit weights from the store", "quantized on load")
    return compare(
        "loading a base in 4 bits", names, (lambda: load(packed), lambda: load(base)), rounds, equal
    )


def _merging(base: Path, place: Path, rounds: int) -> list[Measured]:
    """Merge an adapter on every layer into the files, against a copy of them; both are on the disk at the end."""
    from tasks.core.model.merging import changes_of, write_merged

    adapted = _adapted(base)
    changes = changes_of(adapted, {})

    def merge() -> int:
        write_merged(base, changes, place / "merged", "float32")
        return _on_disk(place / "merged")

    def copy() -> int:
        (place / "copy").mkdir()
        for path in base.glob("*.safetensors"):
            shutil.copyfile(path, place / "copy" / path.name)
        return _on_disk(place / "copy")

    def clear() -> None:
        for name in ("merged", "copy"):
            shutil.rmtree(place / name, ignore_errors=True)
        (place / "merged").mkdir()

    def alike(one: int, other: int) -> bool:
        return abs(one - other) < other / 100

    names = ("copy of the files, to the disk", "merge, to the disk")
    return [compare("merging an adapter on all layers", names, (copy, merge), rounds, alike, clear)]


def _adapted(base: Path) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=RANK, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).eval()


def _on_disk(folder: Path) -> int:
    """Flush the weights of a folder, and give their size."""
    size = 0
    for path in folder.glob("*.safetensors"):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        size += path.stat().st_size
    return size
