"""Low-rank updates with few passes over memory: peft's own layers copy what they are given, and twice what they give.

Legend: x [..., in], down A [rank, in], up B [out, rank]; the update of a frozen layer's output is scale · x Aᵀ Bᵀ.
"""

from types import MethodType
from typing import Any

import torch


class LowRankUpdate(torch.autograd.Function):
    """Add the update to `base` [..., out] in place; what is kept for the way back is x and x Aᵀ.

    All is computed in the type of x: a base in 16 bit rounds A, B and their gradients to 16 bit at each use, as autocast
    does, where peft would compute in 32. Of float16, whose range a sum over tokens may leave, A and B get theirs in 32 bit.
    """

    @staticmethod
    def forward(
        ctx: Any, base: torch.Tensor, x: torch.Tensor, down: torch.Tensor, up: torch.Tensor, scale: float
    ) -> torch.Tensor:
        # flattened here and not outside, where a view that is changed in place costs autograd three copies of it
        tokens = x.reshape(-1, x.shape[-1])
        inner = tokens @ down.to(x.dtype).T
        base.view(-1, base.shape[-1]).addmm_(inner, up.to(x.dtype).T, alpha=scale)
        ctx.mark_dirty(base)
        ctx.save_for_backward(x, inner, down, up)
        ctx.scale = scale
        return base

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[torch.Tensor | None, ...]:
        x, inner, down, up = ctx.saved_tensors
        slope = outer[0].reshape(-1, outer[0].shape[-1])
        tokens = x.reshape(-1, x.shape[-1])
        through = (slope @ up.to(slope.dtype)).mul_(ctx.scale)  # [tokens, rank]
        to_x = (through @ down.to(slope.dtype)).view(x.shape) if ctx.needs_input_grad[1] else None
        if x.dtype == torch.float16:
            tokens, inner, slope, through = (one.float() for one in (tokens, inner, slope, through))
        to_down = (through.T @ tokens).to(down.dtype)
        to_up = (slope.T @ inner).to(up.dtype).mul_(ctx.scale)
        return outer[0], to_x, to_down, to_up, None


def quicken(adapted: Any) -> None:
    """Let the plain low-rank layers of a model compute by `LowRankUpdate`; in 32 bit, they compute the same.

    Those with magnitudes (DoRA) stay peft's.
    """
    for layer in adapted.modules():
        if not hasattr(layer, "lora_A") or not hasattr(layer, "lora_variant"):
            continue
        (name,) = layer.active_adapters
        if name in layer.lora_A and name not in layer.lora_variant:
            layer.forward = MethodType(_forward, layer)


def _forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    base: torch.Tensor = layer.base_layer(x)
    if layer.disable_adapters or layer.merged:
        return base
    (name,) = layer.active_adapters
    if base._is_view():  # noqa: SLF001 - which autograd lets nobody change; GPT-2's layers give one
        base = base.clone()
    updated: torch.Tensor = LowRankUpdate.apply(
        base,
        layer.lora_dropout[name](x),
        layer.lora_A[name].weight,
        layer.lora_B[name].weight,
        layer.scaling[name],
    )
    return updated
