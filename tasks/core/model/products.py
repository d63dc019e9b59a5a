"""Products with frozen weights, in bfloat16 where all else is float32: CPUs that have it multiply twice as fast so.

Both factors are rounded, and once the sum, which is made in 32 bit; what is between the layers, norms, attention, losses, the
adapter and its gradients stay there. Up to 0.13 in the starter model's logits, 0.0001 nats of divergence, come of it.

Legend: x [..., in], weight [out, in].
"""

from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.models.falcon.modeling_falcon import FalconLinear
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import ModelError
from tasks.core.model.devices import MIXED
from tasks.core.model.heads import ROUNDED, may_be_bare, rounded
from tasks.core.model.quantizing import linear_layers

PLAIN = {nn.Linear.forward, Conv1D.forward, FalconLinear.forward}  # what a layer may do to be rounded


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


def round_layers(model: Any) -> None:
    """Let the frozen layers of a model hold their weights in bfloat16 and multiply by them so, of what they are given in 32 bit.

    Layers that are quantized stay as they are.
    """
    for _, layer in linear_layers(model):
        if type(layer).forward in PLAIN and not layer.weight.requires_grad:
            layer.weight = nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
            layer.forward = MethodType(_forward, layer)


def round_head(model: Any) -> None:
    """Let the frozen output head of a model multiply in bfloat16, too, where nothing comes after it; it keeps its weight."""
    if may_be_bare(model):
        head = model.get_output_embeddings()
        head.register_buffer(ROUNDED, head.weight.detach().bfloat16(), persistent=False)


def check_rounded(model: Any) -> None:
    """Let two tokens through. Raises `ModelError` for a base that computes with weights of its layers by itself, as Mamba does."""
    ids = torch.zeros((1, 2), dtype=torch.int64, device=model.device)
    try:
        with torch.no_grad():
            model(input_ids=ids, use_cache=False)
    except RuntimeError as error:
        if "type" not in str(error):  # PyTorch has no error of its own for numbers of two types
            raise
        raise ModelError(
            f"model.dtype is {MIXED}, and this base computes with the weights of its layers in a way that cannot be in two types.",
            cure="Set model.dtype=float32.",
        ) from error


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
