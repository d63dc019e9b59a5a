"""The proof that a merged model is the model that was trained, and the trained model that it is compared with.

A layer that is quantized while training holds other weights than the base's files: merging an adapter into those files
changes the model by the quantization error.

The proof is about weights, so both sides compute in float32. What the arithmetic of a training rounds on the way, in
bfloat16, at each use of a weight, or to 8-bit activations, is in no adapter (accepted: up to 0.4 in the starter model's logits).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tasks.core.model.adapters import load_adapter
from tasks.core.model.devices import default_device, release_memory
from tasks.core.model.loading import Quantization, load_base

Example = tuple[Sequence[int], int]  # ids, prompt length
ADAPTER = "adapter"
ROOM = 1.3  # weights, and what computing with them needs


class ReplyLogits(NamedTuple):
    """A model's logits [reply positions, vocabulary] for one row, and the tokens [reply positions] that stand there."""

    logits: Any
    tokens: Any


@dataclass(frozen=True)
class MergeProof:
    """How far two models are apart, on the positions of real replies: logits, KL divergence and loss in nats per token."""

    max_abs_diff: float
    mean_abs_diff: float
    kl: float
    greedy_match: float
    trained_loss: float
    merged_loss: float
    rows: int
    positions: int

    def to_json(self) -> dict[str, float]:
        """Give the figures by name."""
        return asdict(self)


@dataclass(frozen=True)
class TrainedModel:
    """A base as it was held while training, in float32, its layers that were quantized by name, and the adapter on it."""

    adapted: Any
    quantized: dict[str, Any]
    dtype: str
    """Type in which training held what was not quantized."""


def trained_model(
    base: Path,
    adapter: Path,
    quantization: Quantization,
    *,
    double_quant: bool,
    dtype: str,
    held: Path | None = None,
) -> TrainedModel:
    """Give an adapter on the weights that it was trained on; `held` is the base with packed weights."""
    from tasks.core.model.quantizing import compute_in_full

    place = "cpu" if quantization == "none" else ""  # in float32 it may have no room elsewhere
    loaded = load_base(
        held or base, quantization, double_quant=double_quant, dtype=dtype, packed=True, device=place
    )
    compute_in_full(loaded.model)
    if quantization != "nf4":
        _with_room(loaded.model)
    quantized = {name: loaded.model.get_submodule(name) for name in loaded.quantized}
    return TrainedModel(load_adapter(loaded.model, adapter), quantized, loaded.dtype)


def load_merged(folder: Path) -> Any:
    """Load a merged model, or a base, in float32, with the adapter that lies beside it if one does."""
    return with_its_adapter(
        _with_room(load_base(folder, "none", dtype="float32", device="cpu").model), folder
    )


def with_its_adapter(model: Any, folder: Path) -> Any:
    """Put on a model the adapter that lies beside it in `folder`, if one does."""
    return load_adapter(model, folder / ADAPTER) if (folder / ADAPTER).is_dir() else model


def reply_logits(model: Any, rows: Iterable[Example]) -> Iterator[ReplyLogits]:
    """Give a model's logits for the reply of each row, on the CPU; virtual tokens come before a row's own."""
    import torch

    for ids, prompt_length in rows:
        with torch.inference_mode():  # not around the yield: two of these side by side would leave it on
            batch = torch.tensor([list(ids)], device=model.device)
            logits = model(input_ids=batch).logits[0, -len(ids) :][prompt_length - 1 : -1].float().cpu()
        yield ReplyLogits(logits, batch[0, prompt_length:].cpu())


def compare_logits(trained: Iterable[ReplyLogits], merged: Iterable[ReplyLogits]) -> MergeProof:
    """Compare two models row by row; a logit that is not a number makes the differences none either."""
    worst, same, rows, positions, logits = 0.0, 0, 0, 0, 0
    apart = kl = trained_loss = merged_loss = 0.0
    for (left, tokens), (right, _) in zip(trained, merged, strict=True):
        difference = (left - right).abs()
        most = difference.max().item()
        worst = max(worst, most) if most == most else float("nan")  # noqa: PLR0124
        apart += difference.double().sum().item()
        ours, theirs = left.double().log_softmax(-1), right.double().log_softmax(-1)
        kl += (ours.exp() * (ours - theirs)).sum().item()
        trained_loss -= ours.gather(-1, tokens[:, None]).sum().item()
        merged_loss -= theirs.gather(-1, tokens[:, None]).sum().item()
        same += int((left.argmax(-1) == right.argmax(-1)).sum())
        rows, positions, logits = rows + 1, positions + left.shape[0], logits + left.numel()
    each = max(positions, 1)
    return MergeProof(
        max_abs_diff=worst,
        mean_abs_diff=apart / max(logits, 1),
        kl=kl / each,
        greedy_match=same / each,
        trained_loss=trained_loss / each,
        merged_loss=merged_loss / each,
        rows=rows,
        positions=positions,
    )


def _with_room(model: Any) -> Any:
    """Move a model to the GPU if there is one with room for it in float32, and else leave it on the CPU."""
    import torch

    if default_device() == "cpu":
        return model
    release_memory()
    needed = ROOM * sum(4 * weight.numel() for weight in model.parameters())
    return model.to(default_device()) if torch.cuda.mem_get_info()[0] > needed else model
