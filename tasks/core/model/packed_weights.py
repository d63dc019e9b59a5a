"""Packed weights: a base whose layers are in 4 bit, on disk as they are in memory, so that they are quantized once.

A CPU quantizes about 13 million weights a second; every process of a run that needs the base would do it again.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError

PACKED = "packed-nf4.safetensors"


def save_packed(model: Any, folder: Path) -> None:
    """Save a model whose layers are in 4 bit; what shares memory with something saved before is left out."""
    from safetensors.torch import save_file

    tensors, seen = {}, set[int]()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or not tensor.numel():
            seen.add(tensor.data_ptr())
            tensors[name] = tensor.detach().contiguous().cpu()
    save_file(tensors, folder / PACKED)


def load_packed(folder: Path, *, compute: Any, attention: str | None, device: str) -> Any:
    """Load what `save_packed` saved beside the base's configuration; the result computes the same, bit for bit.

    Raises `ModelError` when the weights are not those of this configuration.
    """
    from accelerate import init_empty_weights
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
    from transformers.initialization import no_init_weights

    from tasks.core.model.experts import unfuse_experts
    from tasks.core.model.quantizing import linear_layers, packed_layer

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    with no_init_weights(), init_empty_weights(include_buffers=False):  # values come from the file
        model: Any = AutoModelForCausalLM.from_config(config, dtype=compute, attn_implementation=attention)
    unfuse_experts(model)
    tensors = load_file(folder / PACKED)
    states = _states(tensors)
    for name, layer in list(linear_layers(model)):
        if name in states:
            weight, bias = tensors.pop(f"{name}.weight"), tensors.pop(f"{name}.bias", None)
            model.set_submodule(
                name, packed_layer(layer, weight, bias, states.pop(name), compute=compute, device=device)
            )
    rest = {name: tensor for name, tensor in tensors.items() if not _is_state(name)}
    _, unexpected = model.load_state_dict(rest, strict=False, assign=True)
    model.tie_weights()
    if unexpected or states or any(weight.is_meta for weight in model.parameters()):
        raise ModelError(
            f"The packed weights in {folder} are not those of its configuration.",
            cure="Delete that folder; it is built again from the base.",
        )
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(folder), local_files_only=True)
    model.is_loaded_in_4bit = True
    return model


def _states(tensors: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Gather what belongs to the quantization of each layer, by the layer's name."""
    states: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, tensor in tensors.items():
        if _is_state(name):
            layer, _, part = name.partition(".weight.")
            states[layer][part] = tensor
    return dict(states)


def _is_state(name: str) -> bool:
    return ".weight." in name
