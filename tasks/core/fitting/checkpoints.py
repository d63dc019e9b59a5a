"""Checkpoints: complete or absent, whole or set aside, without pickle.

<work>/checkpoints/step-000040/   adapter and optimizer tensors, the best adapter so far where rows are watched, and
                                  manifest.json (step, identity, digests; written last)
<work>/rejected/                  what could not be used
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.core.errors import Diverged
from tasks.core.store.digests import digest_file, digest_value
from tasks.core.store.syncing import sync

MANIFEST = "manifest.json"
WEIGHTS = "adapter.safetensors"
OPTIMIZER = "optimizer.safetensors"
BEST = "best.safetensors"
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: tensors by name, after `step` optimizer steps."""

    step: int
    weights: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    best: Mapping[str, Any] = field(default_factory=dict)
    watched: Mapping[str, float] = field(default_factory=dict)


def save_checkpoint(work: Path, identity: str, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint aside, sync it, and rename it into place; keep the last two.

    Raises `Diverged` instead when a number in it is not finite.
    """
    from safetensors.torch import save_file

    broken = [
        name
        for name, tensor in {**checkpoint.weights, **checkpoint.optimizer}.items()
        if not tensor.isfinite().all()
    ]
    if broken:
        raise Diverged(
            f"After step {checkpoint.step}, {len(broken)} tensors of the training hold numbers that are not finite.",
            cure="Lower training.learning_rate, or set model.dtype=float32; the checkpoint before is kept.",
        )

    target = _place(work, checkpoint.step)
    aside = target.with_name(f"writing-{target.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True, mode=0o700)
    parts = {WEIGHTS: checkpoint.weights, OPTIMIZER: checkpoint.optimizer, BEST: checkpoint.best}
    for name, tensors in parts.items():
        save_file(dict(tensors), aside / name)
    files = {name: digest_file(aside / name) for name in parts}
    watched = dict(checkpoint.watched)
    manifest = {"step": checkpoint.step, "identity": identity, "files": files, "watched": watched}
    manifest["sha256"] = digest_value(manifest)
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=1))
    for path in (*aside.iterdir(), aside):
        sync(path)
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    sync(target.parent)
    for old in _folders(work)[:-KEPT]:
        shutil.rmtree(old)
    return target


def latest_checkpoint(work: Path, identity: str) -> tuple[Checkpoint | None, list[str]]:
    """Give the newest whole checkpoint of this very training, and say which were set aside and why."""
    from safetensors.torch import load_file

    rejected: list[str] = []
    for folder in reversed(_folders(work)):
        problem = _damage(folder, identity)
        if not problem:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            weights, optimizer, best = (load_file(folder / name) for name in (WEIGHTS, OPTIMIZER, BEST))
            return Checkpoint(manifest["step"], weights, optimizer, best, manifest["watched"]), rejected
        _set_aside(work, folder)
        rejected.append(f"checkpoint {folder.name} was set aside: {problem}")
    return None, rejected


def _damage(folder: Path, identity: str) -> str:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files, sha = manifest["files"], manifest.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} is missing or unreadable"
    if sha != digest_value(manifest):
        return f"{MANIFEST} was changed"
    if manifest["identity"] != identity:
        return "it belongs to another training"
    for name in (WEIGHTS, OPTIMIZER, BEST):
        if not (folder / name).is_file() or digest_file(folder / name) != files.get(name):
            return f"{name} is missing or damaged"
    return ""


def _set_aside(work: Path, folder: Path) -> None:
    rejected = work / "rejected"
    rejected.mkdir(exist_ok=True, mode=0o700)
    shutil.rmtree(rejected / folder.name, ignore_errors=True)
    folder.rename(rejected / folder.name)


def _place(work: Path, step: int) -> Path:
    return work / "checkpoints" / f"step-{step:06d}"


def _folders(work: Path) -> list[Path]:
    return sorted((work / "checkpoints").glob("step-*"))


def set_weights(weights: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Give the weights of a model these values, by name."""
    import torch

    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(values[name])


def restore(weights: Mapping[str, Any], optimizer: Any, checkpoint: Checkpoint) -> None:
    """Put weights and optimizer back to where a checkpoint has them."""
    set_weights(weights, checkpoint.weights)
    for name, weight in weights.items():
        prefix = f"{name}/"
        parts = {
            key[len(prefix) :]: value for key, value in checkpoint.optimizer.items() if key.startswith(prefix)
        }
        optimizer.state[weight] = {
            part: value if part == "step" else value.to(weight.device) for part, value in parts.items()
        }
