"""The memory planner: what a training needs at once, foreseen from shapes, and how much of it goes through at once.

One step of the training is taken with blank weights, and every tensor that comes to life or dies in it is counted. Layers
are alike, so two short models tell of a long one.
"""

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tasks.core.errors import HardwareError
from tasks.core.fitting.adapting import adapt
from tasks.core.fitting.lanes import in_lanes
from tasks.core.fitting.plan import FitPlan, Room
from tasks.core.model.adapters import trainable_parameters
from tasks.core.model.blank import blank_attention, blank_base, held_tensors, layer_count
from tasks.core.model.devices import compute_dtype, tokens_at_once
from tasks.core.model.heads import labelled_loss, may_be_bare
from tasks.core.model.methods import FULL, PISSA, PREFIX
from tasks.core.model.sharding import blocks_of

SHORT = (2, 4)  # layers of the two short models
GRAIN = 512  # bytes that a GPU's allocator rounds up to
EXTRA = 64 * 2**20  # bytes that the libraries of a GPU hold for themselves
PROGRAMS = 192 * 2**20  # bytes of the programs that oneDNN writes for a CPU's products in bfloat16
USABLE = 0.92  # of what is free; the rest is lost between pieces of other sizes
LESS = 0.95  # of the tokens at once, from one try to the next
MOMENTS = 8  # bytes of the optimizer for each trainable parameter
ops = torch.ops.aten


class AllocationCount(TorchDispatchMode):
    """Count the bytes of all tensors that operations give, for as long as they live: `live` now, `peak` at most.

    Of a blank model, which has no values to ask, `chosen` positions are those that a mask stands for, and `busy_share` of
    all (token, place) pairs are one expert's.
    """

    def __init__(self, chosen: int = 0, busy_share: float = 1.0) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.chosen, self.busy_share = chosen, busy_share
        self.known: set[int] = set()

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor's storage, once."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, -(-storage.nbytes() // GRAIN) * GRAIN  # noqa: SLF001 - its identity
        if key in self.known:
            return
        self.known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it gives."""
        blank = args and isinstance(args[0], torch.Tensor) and args[0].is_meta
        assumed = self._assumed(func, args) if blank else None
        given = func(*args, **(kwargs or {})) if assumed is None else assumed
        for one in tree_leaves(given):
            if isinstance(one, torch.Tensor):
                self.add(one)
        return given

    def _assumed(self, func: Any, args: Any) -> Any:
        """Give the result of an operation whose shape depends on values; None for others."""
        first = args[0]
        if func is ops._local_scalar_dense.default:  # noqa: SLF001 - `bool(tensor)` asks whether rows are not packed
            return True
        if func is ops.nonzero.default:  # tokens go to all experts alike
            return first.new_empty(
                max(round(first.numel() * self.busy_share), 1), first.dim(), dtype=torch.int64
            )
        if func is ops.index.Tensor and args[1][0] is not None and args[1][0].dtype == torch.bool:
            return first.new_empty(self.chosen, *first.shape[args[1][0].dim() :])
        if func is torch.ops.bitsandbytes.int8_vectorwise_quant.default:  # without outliers
            return torch.empty_like(first, dtype=torch.int8), first.new_empty(len(first)), None
        if func is torch.ops.bitsandbytes.int8_mixed_scaled_mm.default:
            return first.new_empty(len(first), len(args[2])), None
        return None


def settle(plan: FitPlan, share: float, device: str, free: int) -> Room:
    """Choose how much of a batch goes through the model at once: as much as fits.

    A CPU takes several pieces side by side where all of them fit whole, and else one after the other. Where not even one row
    fits, weights stay packed on it, and then activations are computed twice. `share` of a row's tokens is learned, at most,
    `free` are the bytes that the device has for it. What a plan says itself is kept. Raises `HardwareError` when the least
    there is does not fit.
    """
    longest, usable = plan.longest, int(USABLE * free)
    wanted = max(plan.micro_tokens or tokens_at_once(device, plan.batch_tokens), longest)
    least = 0

    def room(way: FitPlan, tokens: int, need: int) -> Room:
        told = round(share, 4)
        return Room(tokens, way.gradient_checkpointing, way.packed, need, free, longest, told, way.lanes)

    for way in _ways(plan, device):
        need = needed(way, wanted, longest, share, device)
        if plan.micro_tokens or need <= usable:
            return room(way, plan.micro_tokens or wanted, need)
        if way.lanes > 1:
            continue
        least = needed(way, longest, longest, share, device)
        if least <= usable:
            slope = (need - least) / (wanted - longest)  # a guess: what is laid in rows is not a line
            fitting = longest + int((usable - least) / slope)
            while (need := needed(way, fitting, longest, share, device)) > usable:
                fitting = max(int(LESS * fitting), longest)
            return room(way, fitting, need)
    raise HardwareError(
        f"This training needs {least / 2**30:.1f} GiB for a row of {longest:,} tokens, and {device} has "
        f"{free / 2**30:.1f} GiB free.",
        cure=_cure(plan),
    )


def _ways(plan: FitPlan, device: str) -> list[FitPlan]:
    """Give a plan and its like that need less memory and more time, in that order."""
    ways = [plan]
    if (side_by_side := in_lanes(plan, device)).lanes > 1:
        ways.insert(0, side_by_side)
    if torch.device(device).type == "cpu" and plan.quantization == "nf4" and not plan.packed:
        ways.append(replace(plan, packed=True))
    if (
        not plan.gradient_checkpointing and plan.method != PREFIX
    ):  # which is lost where activations are recomputed
        ways.append(replace(ways[-1], gradient_checkpointing=True))
    return ways


def needed(plan: FitPlan, tokens: int, longest: int, labelled_share: float, device: str) -> int:
    """Foresee the most bytes that a step of a plan holds on a device with `tokens` at once.

    Of `full` in 16 bit and of several lanes it is a bound, for the rest what is held, to a hundredth.
    """
    layers = layer_count(Path(plan.base))
    short, long = SHORT if layers > SHORT[1] else (layers, layers)
    found = [
        _bytes_of(plan, count, tokens, longest, labelled_share, device)
        for count in dict.fromkeys((short, long))
    ]
    step, loaded = (
        round(first + (last - first) / max(long - short, 1) * (layers - short))
        for first, last in zip(found[0][:2], found[-1][:2], strict=True)
    )
    if plan.sharding:  # of all blocks a part is here, and two are gathered: one computes, one comes
        step -= max(round(found[0].block * (layers - layers / plan.processes - 2)), 0)
    return max(step, loaded)


class _Bytes(NamedTuple):
    """What a model holds at most: in a step, when its base is loaded, before products are rounded; and one block's frozen weights."""

    step: int
    loaded: int
    block: int


def _bytes_of(
    plan: FitPlan, layers: int, tokens: int, longest: int, labelled_share: float, device: str
) -> _Bytes:
    """Count what a model of so many layers holds."""
    on_cpu = torch.device(device).type == "cpu"
    compute = compute_dtype("float32" if plan.method == FULL else plan.dtype, device)
    quantization = "none" if plan.unpacks_on(device) else plan.quantization
    base = blank_base(
        Path(plan.base),
        layers,
        quantization=quantization,  # type: ignore[arg-type]
        double_quant=plan.double_quant,
        compute=compute,
        attention=plan.attention,
    )
    unrounded = plan.rounds and not plan.unpacks_on(device)
    loaded = sum(tensor.nbytes for tensor in held_tensors(base)) if unrounded else 0
    beginning = replace(plan, method="lora") if plan.method == PISSA else plan  # which needs values
    model = adapt(base, beginning, device).train()
    weights = list(trainable_parameters(model).values())
    batch = plan.batch_rows * longest or plan.batch_tokens
    if tokens < batch * plan.accumulation:  # gradients of the pieces before are there already
        for weight in weights:
            weight.grad = torch.empty_like(weight)
    rows = max(tokens // longest, 1)
    length = max(tokens // rows, longest)
    labelled = max(round(rows * length * labelled_share), 1)
    with blank_attention(device), AllocationCount(labelled, _busy_share(base.config)) as count:
        for tensor in [*held_tensors(model), *(weight.grad for weight in weights if weight.grad is not None)]:
            count.add(tensor)
        held = count.live
        _step(model, (rows, length), labelled, device)
    trained = sum(weight.numel() for weight in weights)
    # each lane has a piece, and the gradients of one until it is their turn to be added
    lanes = (plan.lanes - 1) * (count.peak - held) + 4 * plan.lanes * trained if plan.lanes > 1 else 0
    # autocast keeps a copy of each weight in 16 bit, and rounds some activations, which are counted in 32: a bound
    autocast = 2 * trained if plan.method == FULL and compute_dtype(plan.dtype, device).itemsize == 2 else 0
    block = _block_bytes(model) if plan.sharding else 0
    own = (PROGRAMS if plan.rounds else 0) if on_cpu else EXTRA
    return _Bytes(count.peak + lanes + MOMENTS * trained + autocast + own, loaded, block)


def _block_bytes(model: Any) -> int:
    blocks = list(blocks_of(model))
    return sum(
        weight.nbytes for block in blocks for weight in block.parameters() if not weight.requires_grad
    ) // len(blocks)


def _step(model: Any, shape: tuple[int, int], labelled: int, device: str) -> None:
    """Go through a model and back, as the loop does, with ids [rows, time] of which some are `labelled`."""
    ids = torch.empty(shape, dtype=torch.int64, device="meta")
    chosen = torch.empty(shape, dtype=torch.bool, device="meta")
    wanted = torch.empty(labelled, dtype=torch.int64, device="meta")
    weights = torch.empty(labelled, device="meta")
    bare = may_be_bare(model)
    labelled_loss(model, ids, chosen, wanted, weights, bare=bare, device=device).backward()


def _busy_share(config: Any) -> float:
    """Give the share of all (token, place) pairs that are one expert's."""
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None) or 1
    return 1 / int(experts)


def _cure(plan: FitPlan) -> str:
    ways = ["tokens.max_length"]
    if plan.method != FULL:
        ways.append("lora.rank")
    smaller = f"Lower {' or '.join(ways)}, choose a smaller base, or give the device more memory."
    if plan.quantization == "none" and plan.method not in {FULL, PISSA}:
        return f"Set model.quantization=nf4. {smaller}"
    return smaller
