"""Products with frozen weights, rounded to bfloat16 where all else is float32: CPUs that have it multiply twice as fast so.

Sums within a product, what is between the layers, norms, attention, losses, the adapter and its gradients stay in 32 bit.

Legend: x [..., in], weight [out, in].
"""

from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from tasks.core.model.heads import ROUNDED, may_be_bare, rounded
from tasks.core.model.quantizing import linear_layers


class RoundedProduct(torch.autograd.Function):
    """Multiply x by a weight that is held in 16 bit, there and back; what is given is in the type of x."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(weight)
        product = _product(x, weight)
        return product.to(x.dtype) if bias is None else product + bias.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[torch.Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        to_x = _product(outer[0], weight.T).to(outer[0].dtype) if ctx.needs_input_grad[0] else None
        return to_x, None, None


def round_products(model: Any) -> None:
    """Let the frozen layers of a model in 32 bit hold their weights in bfloat16 and multiply by them so; its head holds both.

    Layers that are quantized stay as they are, and so does a head with anything after it.
    """
    for _, layer in linear_layers(model):
        if layer.weight.dtype == torch.float32 and not layer.weight.requires_grad:
            layer.weight = nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
            layer.forward = MethodType(_forward, layer)
    if may_be_bare(model):
        head = model.get_output_embeddings()
        head.register_buffer(ROUNDED, head.weight.detach().bfloat16(), persistent=False)


def are_rounded(model: Any) -> bool:
    """Say whether products of a model in 32 bit are rounded."""
    return hasattr(model.get_output_embeddings(), ROUNDED) or any(
        getattr(layer.forward, "__func__", None) is _forward for _, layer in linear_layers(model)
    )


def _forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight
    given: torch.Tensor = RoundedProduct.apply(x, weight, layer.bias)
    return given


def _product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Give x weightᵀ [..., out] in the weight's type."""
    rows = x.reshape(-1, x.shape[-1])
    product = functional.linear(rounded(rows, weight.dtype), weight)[: len(rows)]
    return product.view(*x.shape[:-1], len(weight))
