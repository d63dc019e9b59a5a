"""Adapters, or all weights where those are trained: attached, counted, saved and identified."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.model.methods import FULL, PISSA, PREFIX, begin_prefix, configuration, expected_count
from tasks.core.settings import LoraSettings
from tasks.core.store.digests import digest_bytes, digest_value

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
WHOLE = "ALL_WEIGHTS"  # in place of a type of peft's, which has none for it
UNSTABLE = ("base_model_name_or_path", "peft_version", "inference_mode", "revision")


def attach(model: Any, lora: LoraSettings, seed: int) -> Any:
    """Freeze a base and put an adapter on it, or with `full` let all its weights be trained; the seed alone decides how it begins.

    Raises `ModelError` when a target fits no layer, when the trainable parameters are not as many as the method and the
    shapes of layers say, or for PiSSA in 16 bit.
    """
    import torch
    from peft import get_peft_model

    from tasks.core.model.low_rank import quicken

    torch.manual_seed(seed)
    if lora.method == PISSA and model.dtype != torch.float32:
        raise ModelError(
            f"lora.method is pissa and the base is in {str(model.dtype).removeprefix('torch.')}: what is left of its "
            "weights would be rounded, and the saved adapter would not be the trained one.",
            cure="Set model.dtype=float32, or lora.method=lora.",
        )
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=lora.method == FULL)
    adapted = model
    if lora.method != FULL:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="fan_in_fan_out is set to"
            )  # peft sees and mends it by itself
            adapted = get_peft_model(model, configuration(model, lora))
    if lora.method == PREFIX:
        begin_prefix(adapted)
    quicken(adapted)
    _check_count(adapted, lora)
    return adapted


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
    from peft import PeftModel

    if not isinstance(model, PeftModel):
        _save_whole(model, folder, base_identity)
        return
    model.save_pretrained(
        str(folder), safe_serialization=True, save_embedding_layers=False
    )  # `auto` asks a hub
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / CONFIG).read_bytes())
    config["base_model_name_or_path"] = base_identity
    if config.get("init_lora_weights") == PISSA:
        _save_difference(folder / WEIGHTS, first or {})
        config |= {"r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"], "init_lora_weights": True}
    (folder / CONFIG).write_text(json.dumps(_stable(config), indent=2, sort_keys=True))


def load_adapter(model: Any, folder: Path) -> Any:
    """Put a saved adapter on its base, frozen.

    Raises `ModelError` when a weight of the adapter finds no place, or a place no weight: peft only warns.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    from tasks.core.model.low_rank import quicken

    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        stored = set(file.keys())
    if is_whole(folder):
        _check_places(set(dict(model.named_parameters())), stored)
        return _load_whole(model, folder)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing"
        )  # peft asks by its former name
        adapted = PeftModel.from_pretrained(model, str(folder)).eval()
    _check_places(set(get_peft_model_state_dict(adapted, save_embedding_layers=False)), stored)
    quicken(adapted)
    return adapted


def go_on_with(model: Any, folder: Path, digest: str) -> None:
    """Give the fresh adapter of a model the weights of a saved one of the same shape, magnitudes too, to be trained on.

    Raises `ModelError` where the files do not have the digest, or the shapes are not alike.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    if adapter_digest(folder) != digest:
        raise ModelError(
            "The adapter that the training is to go on with does not have its digest: its files were changed.",
            cure="Remove its folder from the store, or set training.start=base.",
        )
    stored = load_file(folder / WEIGHTS)
    fresh = get_peft_model_state_dict(model, save_embedding_layers=False)
    _check_places(set(fresh), set(stored))
    unlike = sum(weight.shape != stored[name].shape for name, weight in fresh.items())
    if unlike:
        raise ModelError(
            f"The adapter that the training is to go on with has {unlike} of {len(fresh)} weights in other shapes.",
            cure="Set lora.rank and lora.targets to its own, or training.start=base.",
        )
    set_peft_model_state_dict(model, stored)
    after = get_peft_model_state_dict(model, save_embedding_layers=False)
    lost = sum(not bool((weight.cpu() == stored[name]).all()) for name, weight in after.items())
    if lost:
        raise ModelError(
            f"{lost} of {len(after)} weights of the adapter that the training is to go on with came out otherwise.",
            cure="Install the versions of constraints.txt, or set training.start=base.",
        )


def is_whole(folder: Path) -> bool:
    """Say whether what was saved in `folder` are all weights of a model, in place of an adapter."""
    return bool(json.loads((folder / CONFIG).read_bytes())["peft_type"] == WHOLE)


def compute_in(model: Any, dtype: Any) -> Any:
    """Let a model whose weights are in 32 bit compute in another type, by rounding them at each use (autocast)."""
    import torch

    if dtype != torch.float32:
        model.forward = torch.autocast(model.device.type, dtype)(model.forward)
    return model


def is_beside(adapted: Any) -> bool:
    """Say whether an adapter is of virtual tokens, which no weight of the base can take in."""
    from peft import PeftModel

    return isinstance(adapted, PeftModel) and bool(adapted.active_peft_config.is_prompt_learning)


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


def _check_count(adapted: Any, lora: LoraSettings) -> None:
    counted = sum(parameter.numel() for parameter in trainable_parameters(adapted).values())
    expected = expected_count(adapted, lora)
    if counted == 0 or counted != expected:
        raise ModelError(
            f"The adapter has {counted} trainable parameters where {lora.method} and the layers say {expected}.",
            cure="Choose other lora.targets; layers that are not plain linear layers cannot be adapted.",
        )


def _check_places(places: set[str], stored: set[str]) -> None:
    if places != stored:
        raise ModelError(
            f"The adapter fits its base in {len(places & stored)} of {len(places | stored)} weights.",
            cure="Use the base that the adapter was trained on; its digest is in the adapter's receipt.",
        )


def _save_whole(model: Any, folder: Path, base_identity: str) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: weight.detach().cpu().contiguous() for name, weight in trainable_parameters(model).items()
    }
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = {"peft_type": WHOLE, "base_model_name_or_path": base_identity}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True))


def _load_whole(model: Any, folder: Path) -> Any:
    import torch
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, framework="pt") as file, torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(file.get_tensor(name))
            weight.requires_grad_(requires_grad=False)
    return model.eval()


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
