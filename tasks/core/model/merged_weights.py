"""The merged model, and the proof that it is the model that was trained.

Merging an adapter trained on NF4 into the original 16-bit base changes the model by the quantization error; merging
into the dequantized NF4 base does not. So the base's layers go through the same round trip as in training first.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.core.model.adapters import load_adapter
from tasks.core.model.loading import compute_dtype

Example = tuple[Sequence[int], int]  # ids, prompt length


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


def write_merged(
    base: Path,
    adapter: Path,
    target: Path,
    *,
    quantized: Sequence[str],
    double_quant: bool,
    dtype: str,
    device: str,
) -> str:
    """Merge an adapter into its base and save the result; say what it was merged into.

    `quantized` names the layers that were NF4 while training; each goes through the same quantization round trip.
    The result is saved in the type of the training's arithmetic, so nothing is rounded after the proof.
    """
    import torch
    from transformers import AutoModelForCausalLM

    compute = compute_dtype(dtype, device)
    model = AutoModelForCausalLM.from_pretrained(str(base), local_files_only=True, dtype=compute).to(device)
    with torch.inference_mode():
        for name in quantized:
            layer = model.get_submodule(name)
            layer.weight.data = _round_trip(layer.weight.data, double_quant)
        merged = load_adapter(model, adapter).merge_and_unload(safe_merge=True)
    merged.save_pretrained(str(target), safe_serialization=True, max_shard_size="2GB")
    return "dequantized NF4 base" if quantized else "base"


def compare_merged(reference: Any, merged: Any, rows: Sequence[Example]) -> MergeProof:
    """Compare the logits of two models on the reply positions of `rows`, one row at a time."""
    import torch

    worst, same, positions = 0.0, 0, 0
    with torch.inference_mode():
        for ids, prompt_length in rows:
            # logits: [1, time, vocabulary] → [reply positions, vocabulary]
            batch = torch.tensor([list(ids)], device=reference.device)
            left = reference(input_ids=batch).logits[0, prompt_length - 1 : -1].float()
            right = (
                merged(input_ids=batch.to(merged.device))
                .logits[0, prompt_length - 1 : -1]
                .float()
                .to(left.device)
            )
            difference = (left - right).abs().max().item()
            worst = max(worst, difference) if difference == difference else float("nan")  # noqa: PLR0124
            same += int((left.argmax(-1) == right.argmax(-1)).sum())
            positions += left.shape[0]
    return MergeProof(worst, same / max(positions, 1), len(rows), positions)


def _round_trip(weight: Any, double_quant: bool) -> Any:
    """Quantize to NF4 and back: bit for bit what the 4-bit layer computes with."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    packed, state = quantize_4bit(weight, quant_type="nf4", compress_statistics=double_quant)
    return dequantize_4bit(packed, state).to(weight.dtype)
