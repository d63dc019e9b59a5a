"""The merged model, and the proof that it is the model that was trained.

A layer that is quantized while training holds other weights than the base's files: merging an adapter into those files
changes the model by the quantization error. So the adapter is merged into what the quantized layers hold.

The proof is about weights, so both sides compute in float32. What the arithmetic of a training rounds on the way, in
bfloat16 or to 8-bit activations, is in no weight (accepted: up to 0.4 in the starter model's logits). For the same reason
merged weights are kept in float32: in bfloat16 they would differ by 0.08 to 0.23.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.core.model.adapters import CONFIG, WEIGHTS, is_beside, load_adapter, merge
from tasks.core.model.devices import default_device, release_memory, settled_dtype
from tasks.core.model.loading import Quantization, load_base

Example = tuple[Sequence[int], int]  # ids, prompt length
NAMES = {"none": "base", "nf4": "dequantized NF4 base", "int8": "dequantized int8 base"}
ADAPTER = "adapter"
ROOM = 1.3  # weights, and what computing with them needs


@dataclass(frozen=True)
class MergeProof:
    """How far merged model and adapter on its base are apart, on the positions of real replies."""

    max_abs_diff: float
    greedy_match: float
    rows: int
    positions: int

    def to_json(self) -> dict[str, float]:
        """Give the figures by name."""
        return asdict(self)


def adapted_base(
    base: Path,
    adapter: Path,
    quantization: Quantization,
    *,
    double_quant: bool,
    dtype: str,
    held: Path | None = None,
) -> Any:
    """Give an adapter on the weights that it was trained on, as float32; `held` is the base with packed weights."""
    from tasks.core.model.quantizing import dequantized, set_weight

    trained = load_base(held or base, quantization, double_quant=double_quant, dtype=dtype)
    model = load_base(base, "none", dtype=trained.dtype, device="cpu").model.float()
    for name in trained.quantized:
        set_weight(model.get_submodule(name), dequantized(trained.model.get_submodule(name)))
    del trained
    return load_adapter(_with_room(model), adapter)


def save_merged(adapted: Any, target: Path, dtype: str, adapter: Path) -> None:
    """Merge an adapter into its base, which is changed by it, and save the result; one that cannot be merged is put beside it.

    Its configuration names the arithmetic of the training, in which it is served where the device has it.
    """
    from tasks.core.model.experts import fuse_experts

    if is_beside(adapted):
        (target / ADAPTER).mkdir(parents=True)
        for name in (CONFIG, WEIGHTS):
            shutil.copyfile(adapter / name, target / ADAPTER / name)
    merged = merge(adapted)
    fuse_experts(merged)
    merged.save_pretrained(str(target), safe_serialization=True, max_shard_size="2GB")
    config = json.loads((target / "config.json").read_bytes())
    config["dtype"] = settled_dtype(dtype)
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_merged(folder: Path) -> Any:
    """Load what `save_merged` saved, in float32."""
    return with_its_adapter(
        _with_room(load_base(folder, "none", dtype="float32", device="cpu").model), folder
    )


def with_its_adapter(model: Any, folder: Path) -> Any:
    """Put on a model the adapter that lies beside it in `folder`, if one does."""
    return load_adapter(model, folder / ADAPTER) if (folder / ADAPTER).is_dir() else model


def reply_logits(model: Any, rows: Iterable[Example]) -> Iterator[Any]:
    """Give a model's logits [reply positions, vocabulary] for each row, on the CPU; virtual tokens come before a row's own."""
    import torch

    for ids, prompt_length in rows:
        with torch.inference_mode():  # not around the yield: two of these side by side would leave it on
            batch = torch.tensor([list(ids)], device=model.device)
            logits = model(input_ids=batch).logits[0, -len(ids) :][prompt_length - 1 : -1].float().cpu()
        yield logits


def compare_logits(trained: Iterable[Any], merged: Iterable[Any]) -> MergeProof:
    """Compare the logits of two models row by row; one that is not a number makes the difference none either."""
    worst, same, rows, positions = 0.0, 0, 0, 0
    for left, right in zip(trained, merged, strict=True):
        difference = (left - right).abs().max().item()
        worst = max(worst, difference) if difference == difference else float("nan")  # noqa: PLR0124
        same += int((left.argmax(-1) == right.argmax(-1)).sum())
        rows, positions = rows + 1, positions + left.shape[0]
    return MergeProof(worst, same / max(positions, 1), rows, positions)


def _with_room(model: Any) -> Any:
    """Move a model to the GPU if there is one with room for it in float32, and else leave it on the CPU."""
    import torch

    if default_device() == "cpu":
        return model
    release_memory()
    needed = ROOM * sum(4 * weight.numel() for weight in model.parameters())
    return model.to(default_device()) if torch.cuda.mem_get_info()[0] > needed else model
