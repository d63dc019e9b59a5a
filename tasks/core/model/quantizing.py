"""Quantizing: linear layers of any family become 4-bit or 8-bit ones, each of them, and by this one way.

transformers' own way knows a layer by its exact class: it leaves out all of Falcon's, and the experts of Mixtral, and
says that it has quantized the model.
"""

import os
from collections.abc import Iterator
from typing import Any

import psutil
import torch
from bitsandbytes.nn import Int8Params, Linear4bit, Linear8bitLt, Params4bit
from torch import nn
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import ModelError
from tasks.core.model.loading import Quantization
from tasks.core.progress import tell_progress

LEAST_QUANTIZED = 0.99  # share of the weights of all layers; a router of experts stays as it is
ROOM = 2.0  # times what unpacked weights take; gradients and activations come on top
OUTLIERS = 6.0  # activations beyond it are multiplied in 16 bit (int8); the value of its authors


def linear_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Give every linear layer of a model by name, quantized or not; the output head is none of them."""
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, Conv1D)) and module is not head:
            yield name, module


def quantize(
    model: Any, quantization: Quantization, *, double_quant: bool, compute: Any, device: str
) -> None:
    """Replace every linear layer by a quantized one on `device`, one at a time, so that memory is needed for one more.

    Raises `ModelError` when a share of the layers' weights stays as it was.
    """
    if quantization == "none":
        return
    every = [name for name, _ in linear_layers(model)]  # names alone, so that each layer is let go
    for number, name in enumerate(every, 1):
        layer = model.get_submodule(name)
        weight = (layer.weight.T if isinstance(layer, Conv1D) else layer.weight).detach().contiguous()
        outputs, inputs = weight.shape
        if quantization == "nf4":
            made = _four_bit(inputs, outputs, layer.bias, compute, device)
            packed = Params4bit(
                weight, requires_grad=False, compress_statistics=double_quant, quant_type="nf4", module=made
            )
            made.weight = packed.to(device)
        else:
            made = _eight_bit(inputs, outputs, layer.bias, device)
            made.weight = Int8Params(weight, requires_grad=False, has_fp16_weights=False).to(device)
        model.set_submodule(name, made)
        tell_progress(number, len(every), "layers quantized")
    setattr(model, "is_loaded_in_4bit" if quantization == "nf4" else "is_loaded_in_8bit", True)  # peft asks
    names, share = quantized_layers(model)
    if not names or share < LEAST_QUANTIZED:
        raise ModelError(
            f"model.quantization is {quantization}, but only {len(names)} layers ({share:.0%} of the layers' weights) "
            "came out quantized.",
            cure="Set model.quantization=none, or choose another base.",
        )


def quantized_layers(model: Any) -> tuple[tuple[str, ...], float]:
    """Name the quantized layers, and give their share of the weights of all layers (embeddings and head apart)."""
    quantized = {
        name: layer for name, layer in linear_layers(model) if isinstance(layer, (Linear4bit, Linear8bitLt))
    }
    inside = sum(layer.in_features * layer.out_features for layer in quantized.values())
    outside = sum(_elements_outside(model, set(quantized)))
    return tuple(sorted(quantized)), inside / max(inside + outside, 1)


def packed_layer(
    layer: Any, weight: Any, bias: Any, state: dict[str, Any], *, compute: Any, device: str
) -> Any:
    """Make a 4-bit layer in place of `layer` from a packed weight and the state of its quantization."""
    shape = tuple(layer.weight.shape)
    inputs, outputs = shape if isinstance(layer, Conv1D) else shape[::-1]
    made = _four_bit(inputs, outputs, bias, compute, device)
    made.weight = Params4bit.from_prequantized(weight, state, device=device, module=made)
    return made


def blank_layer(layer: Any, quantization: Quantization, compute: Any) -> tuple[Any, tuple[int, int]]:
    """Make a quantized layer in place of `layer` that waits for its weight, and give the shape [out, in] that this has."""
    shape = tuple(layer.weight.shape)
    inputs, outputs = shape if isinstance(layer, Conv1D) else shape[::-1]
    made = (
        _four_bit(inputs, outputs, layer.bias, compute, "meta")
        if quantization == "nf4"
        else _eight_bit(inputs, outputs, layer.bias, "meta")
    )
    return made, (outputs, inputs)


def hold_unpacked(model: Any, compute: Any) -> None:
    """Unpack 4-bit layers to what they compute with, bit for bit, where memory has room for all of it twice.

    A CPU gains nothing from packed weights but memory, and unpacks them at every use: a sixth of the time of training.
    """
    packed = [layer for _, layer in linear_layers(model) if isinstance(layer, Linear4bit)]
    weights = sum(layer.in_features * layer.out_features for layer in packed)
    # several ranks would each see the memory that all of them want
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if not several and has_room_unpacked(weights, compute.itemsize):
        unpack(model, compute)


def has_room_unpacked(weights: int, itemsize: int) -> bool:
    """Say whether memory has room for so many unpacked weights twice."""
    return bool(psutil.virtual_memory().available >= ROOM * weights * itemsize)


def unpack(model: Any, dtype: Any) -> None:
    """Unpack 4-bit layers to layers in another type, one at a time."""
    for name in [name for name, layer in linear_layers(model) if isinstance(layer, Linear4bit)]:
        _unpack(model, name, dtype, model.get_submodule(name).weight.device)
    model.is_loaded_in_4bit = False


def compute_in_full(model: Any) -> None:
    """Let a model compute in float32 with the very weights that its quantized layers hold, whatever type they were made in.

    8-bit layers are unpacked, since their arithmetic rounds, and the model is on the CPU then; 4-bit ones stay where they are,
    and are unpacked on a CPU where memory has room for it.
    """
    eight = [name for name, layer in linear_layers(model) if isinstance(layer, Linear8bitLt)]
    for name in eight:
        _unpack(model, name, torch.float32, "cpu")
    if eight:
        model.is_loaded_in_8bit = False
        model.to("cpu")
    for _, layer in linear_layers(model):
        if isinstance(layer, Linear4bit):
            layer.compute_dtype = torch.float32
    model.float()
    if model.device.type == "cpu":
        hold_unpacked(model, torch.float32)


def dequantized(layer: Any) -> Any:
    """Give the weight [out, in] that a layer computes with, as float32 on the CPU."""
    from peft.utils.integrations import dequantize_module_weight

    return dequantize_module_weight(layer).detach().float().cpu()


def _unpack(model: Any, name: str, compute: Any, device: Any) -> None:
    layer: Any = model.get_submodule(name)
    with torch.device("meta"):
        made = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    made.weight = nn.Parameter(dequantized(layer).to(device, compute), requires_grad=False)
    if layer.bias is not None:
        made.bias = layer.bias
    model.set_submodule(name, made)


def _four_bit(inputs: int, outputs: int, bias: Any, compute: Any, device: str) -> Any:
    """Make a 4-bit layer that has its bias and waits for its weight.

    On CPUs with AVX512-BF16, bitsandbytes silently repacks a 4-bit layer at its first forward in eval mode and computes
    in bfloat16 from then on, without gradients: logits of the starter model moved by 0.11, and scores were of another model on
    every kind of machine. That is switched off.
    """
    with torch.device("meta"):
        made = Linear4bit(inputs, outputs, bias is not None, compute_dtype=compute, quant_type="nf4")
    made.support_avx512bf16_for_cpu = False
    return _with_bias(made, bias, device)


def _eight_bit(inputs: int, outputs: int, bias: Any, device: str) -> Any:
    with torch.device("meta"):
        made = Linear8bitLt(inputs, outputs, bias is not None, has_fp16_weights=False, threshold=OUTLIERS)
    return _with_bias(made, bias, device)


def _with_bias(layer: Any, bias: Any, device: str) -> Any:
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().to(device), requires_grad=False)
    return layer


def _elements_outside(model: Any, quantized: set[str]) -> Iterator[int]:
    ends = {id(end) for end in (model.get_input_embeddings(), model.get_output_embeddings())}
    for name, module in model.named_modules():
        if name in quantized or id(module) in ends or isinstance(module, nn.Embedding):
            continue
        yield from (weight.numel() for weight in module.parameters(recurse=False) if weight.dim() >= 2)
