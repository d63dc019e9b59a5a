"""LoRA adapters: attached, counted, saved and identified."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.store.digests import digest_bytes, digest_value

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
UNSTABLE = ("base_model_name_or_path", "peft_version", "inference_mode", "revision")


def attach(
    model: Any, *, method: str, rank: int, alpha: float, dropout: float, targets: Sequence[str], seed: int
) -> Any:
    """Freeze a base and put an adapter on its target layers; the seed alone decides its first weights.

    Raises `ModelError` when a target names no layer, the tied head, or the trainable parameters are not as many as
    rank and layer shapes say.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear" if list(targets) == ["all-linear"] else list(targets),
        bias="none",
        task_type="CAUSAL_LM",
        use_rslora=method == "rslora",
        use_dora=method == "dora",
    )
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise ModelError(
            f"lora.targets {', '.join(targets)} fit no layer of this base.",
            cure=f"Use all-linear, or some of: {', '.join(layer_names(model))}.",
        ) from error
    _check_count(adapted, rank, method)
    return adapted


def layer_names(model: Any) -> list[str]:
    """Name the linear layers that an adapter can go on, without their numbers."""
    import torch

    head = model.get_output_embeddings()
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]
    return sorted({name.rsplit(".", 1)[-1] for name in linear})


def trainable_parameters(model: Any) -> dict[str, Any]:
    """Give the trainable parameters by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def save_adapter(model: Any, folder: Path, base_identity: str) -> None:
    """Save weights and configuration; the configuration names the base by identity, not by a path of this machine."""
    model.save_pretrained(
        str(folder), safe_serialization=True, save_embedding_layers=False
    )  # `auto` asks a hub
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / CONFIG).read_bytes())
    config["base_model_name_or_path"] = base_identity
    (folder / CONFIG).write_text(json.dumps(_stable(config), indent=2, sort_keys=True))


def load_adapter(model: Any, folder: Path) -> Any:
    """Put a saved adapter on its base, frozen.

    Raises `ModelError` when a weight of the adapter finds no place, or a place no weight: peft only warns.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    adapted = PeftModel.from_pretrained(model, str(folder)).eval()
    places = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        stored = set(file.keys())
    if places != stored:
        raise ModelError(
            f"The adapter fits its base in {len(places & stored)} of {len(places | stored)} weights.",
            cure="Use the base that the adapter was trained on; its digest is in the adapter's receipt.",
        )
    return adapted


def adapter_digest(folder: Path) -> str:
    """Digest weights and configuration of an adapter, whatever the order in which peft wrote them."""
    from safetensors import safe_open

    config = {
        name: value
        for name, value in json.loads((folder / CONFIG).read_bytes()).items()
        if name not in UNSTABLE
    }
    tensors = {}
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        for name in sorted(file.keys()):
            array = file.get_tensor(name)
            tensors[name] = [str(array.dtype), list(array.shape), digest_bytes(array.tobytes())]
    return digest_value({"config": _stable(config), "tensors": tensors})


def _check_count(adapted: Any, rank: int, method: str) -> None:
    counted = sum(parameter.numel() for parameter in trainable_parameters(adapted).values())
    layers = [
        module for module in adapted.modules() if hasattr(module, "lora_A") and "default" in module.lora_A
    ]
    expected = sum(rank * (layer.in_features + layer.out_features) for layer in layers)
    expected += sum(layer.out_features for layer in layers) if method == "dora" else 0
    if counted == 0 or counted != expected:
        raise ModelError(
            f"The adapter has {counted} trainable parameters where rank and layers say {expected}.",
            cure="Choose other lora.targets; layers that are not plain linear layers cannot be adapted.",
        )


def _stable(value: Any) -> Any:
    """Sort lists of names: peft writes its sets in an order that changes from process to process."""
    if isinstance(value, dict):
        return {name: _stable(item) for name, item in value.items()}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return value
