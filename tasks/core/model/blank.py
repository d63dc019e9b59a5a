"""Blank models: a base's layers with the shapes of their weights and nothing in them, to foresee what they need.

They live on PyTorch's meta device, where an operation gives the shape of its result and takes no memory and no time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.functional import QuantState
from bitsandbytes.nn import Int8Params, Linear4bit, Params4bit
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM
from transformers.initialization import no_init_weights

from tasks.core.model.experts import unfuse_experts
from tasks.core.model.loading import Quantization, load_config
from tasks.core.model.quantizing import blank_layer, linear_layers

BLOCK, OUTER_BLOCK = 64, 256  # weights, and constants of blocks, that share a constant (NF4)


class _FusedAttention(torch.autograd.Function):
    """What fused attention keeps for the way back: its inputs, its result, and a float32 for each row of scores."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, mask: Any) -> Any:
        batch, heads, time, width = query.shape
        by_time = query.new_empty(batch, time, heads, width).transpose(1, 2)
        result = torch.empty_like(query) if mask is None else by_time  # in memory as the kernels lay it
        sums = query.new_empty(batch, heads, time, dtype=torch.float32)
        ctx.save_for_backward(query, key, value, mask, result, sums)
        return result

    @staticmethod
    def backward(ctx: Any, *_outer: Any) -> Any:
        return (*(torch.empty_like(part) for part in ctx.saved_tensors[:3]), None)


@contextmanager
def blank_attention(device: str) -> Iterator[None]:
    """Put a stand-in where a model asks for fused attention, which without values has no kernel to choose.

    A CPU has none with dropout: there the scores themselves are kept.
    """
    real = functional.scaled_dot_product_attention
    scored = torch.device(device).type == "cpu"

    def attend(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, **how: Any
    ) -> Any:
        if scored and dropout_p:
            return real(query, key, value, attn_mask, dropout_p, **how)
        if attn_mask is not None and attn_mask.dtype == torch.bool:  # kernels want it as numbers
            attn_mask = torch.empty_like(attn_mask, dtype=query.dtype)
        return _FusedAttention.apply(query, key, value, attn_mask)

    functional.scaled_dot_product_attention = attend  # type: ignore[assignment]
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = real


def layer_count(folder: Path) -> int:
    """Give how many layers a base has."""
    return int(load_config(folder).get_text_config().num_hidden_layers)


def blank_base(
    folder: Path, layers: int, *, quantization: Quantization, double_quant: bool, compute: Any, attention: str
) -> Any:
    """Give a base with as many `layers`, blank, as it is held while training."""
    config = load_config(folder).get_text_config()
    config.num_hidden_layers = layers
    for name, value in vars(config).items():
        if isinstance(value, list) and len(value) > layers and name.startswith(("layer_", "attention_")):
            setattr(config, name, value[:layers])
    with no_init_weights(), torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(
            config, dtype=compute, attn_implementation=None if attention == "auto" else attention
        )
    model.tie_weights()  # which is left out with the values
    unfuse_experts(model)
    for name, layer in list(linear_layers(model)) if quantization != "none" else ():
        model.set_submodule(name, _blank_quantized(layer, quantization, compute, double_quant=double_quant))
    if quantization != "none":
        setattr(model, "is_loaded_in_4bit" if quantization == "nf4" else "is_loaded_in_8bit", True)
    return model


def held_tensors(model: Any) -> list[torch.Tensor]:
    """Give all that a model holds: parameters, buffers, and the constants of 4-bit layers."""
    constants = []
    for layer in model.modules():
        state = layer.weight.quant_state if isinstance(layer, Linear4bit) else None
        for part in (state, state.state2 if state and state.nested else None):
            constants += [part.absmax, part.code] if part else []
    return [*model.parameters(), *model.buffers(), *constants]


def _blank_quantized(
    layer: Any, quantization: Quantization, compute: Any, *, double_quant: bool
) -> nn.Module:
    made, (outputs, inputs) = blank_layer(layer, quantization, compute)
    if quantization == "int8":
        weight = torch.empty(outputs, inputs, dtype=torch.int8, device="meta")
        made.weight = Int8Params(weight, requires_grad=False, has_fp16_weights=False)
        made.weight.CB = made.weight.data
        made.weight.SCB = torch.empty(outputs, device="meta")
        return made
    blocks = -(-outputs * inputs // BLOCK)
    state = QuantState(
        absmax=torch.empty(blocks, dtype=torch.uint8 if double_quant else torch.float32, device="meta"),
        shape=torch.Size((outputs, inputs)),
        code=torch.empty(16, device="meta"),
        blocksize=BLOCK,
        quant_type="nf4",
        dtype=compute,
    )
    if double_quant:
        state.nested, state.offset = True, torch.empty((), device="meta")
        state.state2 = QuantState(
            absmax=torch.empty(-(-blocks // OUTER_BLOCK), device="meta"),
            code=torch.empty(256, device="meta"),
            blocksize=OUTER_BLOCK,
            dtype=torch.float32,
        )
    packed = torch.empty(-(-outputs * inputs // 2), 1, dtype=torch.uint8, device="meta")
    made.weight = Params4bit(
        packed,
        requires_grad=False,
        quant_state=state,
        blocksize=BLOCK,
        quant_type="nf4",
        bnb_quantized=True,
        module=made,
    )
    made.quant_state = state
    return made
