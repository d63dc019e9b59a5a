"""LoRA adapters: attached, counted, saved and identified."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.store.digests import digest_bytes, digest_value

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
PISSA = "pissa"
ATTENTION = frozenset(("self_attn", "attn", "attention", "self_attention"))  # as families name it
UNSTABLE = ("base_model_name_or_path", "peft_version", "inference_mode", "revision")


def attach(
    model: Any, *, method: str, rank: int, alpha: float, dropout: float, targets: Sequence[str], seed: int
) -> Any:
    """Freeze a base and put an adapter on its target layers; the seed alone decides its first weights.

    Raises `ModelError` when a target names no layer, or the tied head, when the trainable parameters are not as many as
    rank and layer shapes say, or for PiSSA in 16 bit.

    Source: LoRA (2106.09685), rank-stabilized LoRA (2312.03732), DoRA (2402.09353), PiSSA (2404.02948).
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    if method == PISSA and model.dtype != torch.float32:
        raise ModelError(
            f"lora.method is pissa and the base is in {str(model.dtype).removeprefix('torch.')}: what is left of its "
            "weights would be rounded, and the saved adapter would not be the trained one.",
            cure="Set model.dtype=float32, or lora.method=lora.",
        )
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=resolve_targets(model, targets),
        bias="none",
        task_type="CAUSAL_LM",
        use_rslora=method == "rslora",
        use_dora=method == "dora",
        init_lora_weights="pissa" if method == PISSA else True,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="fan_in_fan_out is set to"
        )  # peft sees and mends it by itself
        adapted = get_peft_model(model, config)
    _check_count(adapted, rank, method)
    return adapted


def resolve_targets(model: Any, targets: Sequence[str]) -> list[str]:
    """Give the ends of the names of the layers that get an adapter, in order.

    `all-linear` stands for every linear layer but the output head, `attention` for those inside attention.
    """
    from tasks.core.model.quantizing import linear_layers

    head = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if module is head]
    names += [name for name, _ in linear_layers(model)]
    every = [".".join(name.split(".")[-2:]) for name in names[1:]]
    groups = {
        "all-linear": {name.rsplit(".", 1)[-1] for name in every},
        "attention": {name for name in every if name.split(".")[0] in ATTENTION},
    }
    unfit = [
        one
        for one in targets
        if one not in groups and not any(name == one or name.endswith(f".{one}") for name in names)
    ]
    if unfit:
        raise ModelError(
            f"lora.targets {', '.join(unfit)} fit no layer of this base.",
            cure=f"Use all-linear, attention, or some of: {', '.join(sorted(groups['all-linear']))}.",
        )
    if names[0] in targets and head.weight is model.get_input_embeddings().weight:
        raise ModelError(
            f"lora.targets names {names[0]}, which shares its weights with the embeddings: a merge would change both.",
            cure="Leave it out; all-linear is every other layer.",
        )
    return sorted({name for one in targets for name in groups.get(one, {one})})


def trainable_parameters(model: Any) -> dict[str, Any]:
    """Give the trainable parameters by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def save_adapter(
    model: Any, folder: Path, base_identity: str, first: Mapping[str, Any] | None = None
) -> None:
    """Save weights and configuration; the configuration names the base by identity, not by a path of this machine.

    `first` are the weights that the adapter began with: where they were not neutral (PiSSA took them out of the base),
    what is saved is the difference to them, as an adapter of twice the rank on the base as it was.
    """
    model.save_pretrained(
        str(folder), safe_serialization=True, save_embedding_layers=False
    )  # `auto` asks a hub
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / CONFIG).read_bytes())
    config["base_model_name_or_path"] = base_identity
    if config["init_lora_weights"] == PISSA:
        _save_difference(folder / WEIGHTS, first or {})
        config |= {"r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"], "init_lora_weights": True}
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


def _save_difference(path: Path, first: Mapping[str, Any]) -> None:
    """Write B A - B0 A0 as one product: A [2 rank, in] is A over A0, and B [out, 2 rank] is B beside -B0."""
    import torch
    from safetensors.torch import load_file, save_file

    began = {name.replace(".default.weight", ".weight"): weight for name, weight in first.items()}
    weights = {}
    for name, weight in load_file(path).items():
        other = began[name].to(weight.dtype)
        weights[name] = torch.cat([weight, other]) if "lora_A" in name else torch.cat([weight, -other], dim=1)
    save_file(weights, path, metadata={"format": "pt"})


def _stable(value: Any) -> Any:
    """Sort lists of names: peft writes its sets in an order that changes from process to process."""
    if isinstance(value, dict):
        return {name: _stable(item) for name, item in value.items()}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return value
