"""Low-rank updates with few passes over memory: peft's own layers copy what they are given, and twice what they give.

Legend: x [tokens, in], down A [rank, in], up B [out, rank]; the update of a frozen layer's output is scale · x Aᵀ Bᵀ.
"""

from types import MethodType
from typing import Any

import torch


class LowRankUpdate(torch.autograd.Function):
    """Add the update to `base` [tokens, out] in place, in the type of `x`; what is kept for the way back is x and x Aᵀ."""

    @staticmethod
    def forward(
        ctx: Any, base: torch.Tensor, x: torch.Tensor, down: torch.Tensor, up: torch.Tensor, scale: float
    ) -> torch.Tensor:
        inner = x @ down.to(x.dtype).T
        base.addmm_(inner, up.to(x.dtype).T, alpha=scale)
        ctx.mark_dirty(base)
        ctx.save_for_backward(x, inner, down, up)
        ctx.scale = scale
        return base

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[torch.Tensor | None, ...]:
        (slope,) = outer
        x, inner, down, up = ctx.saved_tensors
        if x.dtype == torch.float16:  # whose range a sum over tokens leaves
            x, inner, slope = x.float(), inner.float(), slope.float()
        through = (slope @ up.to(slope.dtype)).mul_(ctx.scale)  # [tokens, rank]
        to_x = (through @ down.to(slope.dtype)).to(outer[0].dtype) if ctx.needs_input_grad[1] else None
        to_down = (through.T @ x).to(down.dtype)
        to_up = (slope.T @ inner).mul_(ctx.scale).to(up.dtype)
        return outer[0], to_x, to_down, to_up, None


def quicken(adapted: Any) -> None:
    """Let the plain low-rank layers of a model compute by `LowRankUpdate`; what they compute stays the same.

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
    given = layer.lora_dropout[name](x)
    if base._is_view():  # noqa: SLF001 - which autograd lets nobody change; GPT-2's layers give one
        base = base.clone()
    updated = LowRankUpdate.apply(
        base.flatten(0, -2),
        given.flatten(0, -2),
        layer.lora_A[name].weight,
        layer.lora_B[name].weight,
        layer.scaling[name],
    )
    return updated.view(base.shape)
