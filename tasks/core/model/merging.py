"""Merging, one file of the base after the other: memory is needed for a file and what it becomes, however large the base is.

What no change concerns is copied byte for byte, where the base's files are in the type that training held them in. Changed weights are written in float32: in bfloat16 a merged model differs
from the trained one by 0.08 to 0.23 in its logits (the starter model), most of what quantizing the base does to them.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.model.adapters import CONFIG, WEIGHTS, is_beside
from tasks.core.model.base_files import INDEX, Place, places_of, weight_files
from tasks.core.model.merge_proof import ADAPTER, TrainedModel
from tasks.core.progress import tell_progress
from tasks.core.store.syncing import sync

GENERATION = "generation_config.json"
Change = Callable[[Any, slice], Any]
"""Given rows of a weight as the base's file has them, in float32 [rows, in], and which rows they are: what they become."""


def save_merged(
    base: Path, trained: TrainedModel, adapter: Path, target: Path, *, into_files: bool = False
) -> None:
    """Write a base with its adapter merged in to the new folder `target`; one that cannot be merged is put beside it.

    It is merged into the weights that training held, or into those in the base's files. The configuration names the
    arithmetic of the training, in which the model is served where the device has it.
    """
    target.mkdir(parents=True)
    if into_files:
        write_merged(base, changes_of(trained.adapted, {}), target, "float32")
    else:
        write_merged(base, changes_of(trained.adapted, trained.quantized), target, trained.dtype)
    if is_beside(trained.adapted):
        (target / ADAPTER).mkdir()
        for name in (CONFIG, WEIGHTS):
            shutil.copyfile(adapter / name, target / ADAPTER / name)
    config = json.loads((base / "config.json").read_bytes())
    config.pop("torch_dtype", None)  # its former name
    config["dtype"] = trained.dtype
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if (base / GENERATION).is_file():
        shutil.copyfile(base / GENERATION, target / GENERATION)


def changes_of(adapted: Any, quantized: Mapping[str, Any]) -> dict[str, Change]:
    """Say what becomes of each parameter of a base, by its name: of layers with an adapter, and of `quantized` ones.

    `quantized` gives layers by name that hold other weights than the base's files; leave them out to merge into the files.
    """
    from peft import PeftModel

    if not isinstance(adapted, PeftModel):
        return {name: _put(weight) for name, weight in _own_weights(adapted).items()}
    changes: dict[str, Change] = {f"{name}.weight": _unpacked(layer) for name, layer in quantized.items()}
    for name, layer in adapted.get_base_model().named_modules():
        if getattr(layer, "lora_A", None):
            parameter = f"{name}.weight"
            changes[parameter] = _updated(layer, changes.get(parameter))
    return changes


def write_merged(base: Path, changes: Mapping[str, Change], target: Path, held: str) -> None:
    """Write the weights of `base` to `target` with these changes, the others as training `held` them: in that type.

    Raises `ModelError` when a parameter that is to be changed is in no file.
    """
    import torch

    from tasks.core.model.blank import blank_base, layer_count

    dtype = getattr(torch, held)
    blank = blank_base(
        base, layer_count(base), quantization="none", double_quant=False, compute=dtype, attention="auto"
    )
    files = {path: _names_in(path) for path in weight_files(base)}
    places = places_of(blank, [name for names in files.values() for name in names])
    left = set(changes).difference(*(place.parameters for place in places.values()))
    if left:
        raise ModelError(
            f"{len(left)} weights that were trained are in no file of the base, {min(left)} first.",
            cure="Save the base anew with transformers, and train on that.",
        )
    size, syncing = 0, list[Future[None]]()
    with ThreadPoolExecutor(1, "syncing") as aside:  # a file goes to the disk while the next is made
        for number, (path, names) in enumerate(files.items(), 1):
            own = {name: places[name] for name in names if name in places}
            size += _write(path, own, changes, dtype, target)
            if own:
                syncing.append(aside.submit(sync, target / path.name))
            tell_progress(number, len(files), "files merged")
    for one in syncing:
        one.result()
    if len(files) > 1:
        told = {name: path.name for path, names in files.items() for name in names if name in places}
        index = {"metadata": {"total_size": size}, "weight_map": told}
        (target / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _names_in(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _write(
    path: Path, places: Mapping[str, Place], changes: Mapping[str, Change], held: Any, target: Path
) -> int:
    """Write one file of the base as it becomes, or copy it where nothing does; give the bytes of its tensors."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    tensors = {}
    with safe_open(path, framework="pt") as file:
        same = len(places) == len(file.keys())
        for name, place in places.items():
            tensor = file.get_tensor(name)
            if changes.keys().isdisjoint(place.parameters):
                tensors[name] = _as_held(tensor, held)
            else:
                tensors[name] = _changed(tensor, place, changes, held)
            same &= tensors[name] is tensor
        if same:
            shutil.copyfile(path, target / path.name)
        elif tensors:
            save_file(tensors, target / path.name, metadata=file.metadata() or {"format": "pt"})
    return sum(tensor.nbytes for tensor in tensors.values())


def _as_held(tensor: Any, held: Any) -> Any:
    """Round a tensor to the type that training held it in; one that loses nothing by that stays what it is."""
    import torch

    wider = tensor.is_floating_point() and held not in (torch.float32, tensor.dtype)
    return tensor.to(held) if wider else tensor


def _changed(tensor: Any, place: Place, changes: Mapping[str, Change], held: Any) -> Any:
    import torch

    parts = tensor if len(place.parameters) > 1 else [tensor]
    made = []
    for parameter, part in zip(place.parameters, parts, strict=True):
        weight = _as_held(part.T if place.turned else part, held).float()
        rows = slice(place.part * len(weight), (place.part + 1) * len(weight))
        change = changes.get(parameter)
        new = change(weight, rows) if change else weight
        if new.shape != weight.shape:
            raise ModelError(
                f"The weight {parameter} has the shape {list(weight.shape)} in the base's files, and was trained as "
                f"{list(new.shape)}.",
                cure="Train on the base that these files are of.",
            )
        made.append((new.T if place.turned else new).contiguous())
    return torch.stack(made) if len(place.parameters) > 1 else made[0]


def _put(weight: Any) -> Change:
    return lambda _stored, rows: weight[rows].detach().float().cpu()


def _unpacked(layer: Any) -> Change:
    from tasks.core.model.quantizing import dequantized

    return lambda _stored, rows: dequantized(layer)[rows]


def _updated(layer: Any, before: Change | None) -> Change:
    """Add what a low-rank layer learned: W + s·B·A, with rows of the length of its magnitudes where it has some (DoRA)."""
    (adapter,) = layer.active_adapters
    down, up = (weights[adapter].weight.detach().float().cpu() for weights in (layer.lora_A, layer.lora_B))
    magnitudes = layer.lora_magnitude_vector if adapter in layer.lora_variant else {}
    scale = layer.scaling[adapter]

    def change(stored: Any, rows: slice) -> Any:
        weight = before(stored, rows) if before else stored
        weight = weight.addmm(up[rows], down, alpha=scale)
        if adapter in magnitudes:
            lengths = weight.norm(dim=1, keepdim=True)
            weight *= magnitudes[adapter].weight.detach().float().cpu()[rows, None] / lengths
        return weight

    return change


def _own_weights(model: Any) -> dict[str, Any]:
    """Give all parameters of a model whose own weights were trained, outputs first."""
    from transformers.pytorch_utils import Conv1D

    turned = {f"{name}.weight" for name, layer in model.named_modules() if isinstance(layer, Conv1D)}
    return {name: weight.T if name in turned else weight for name, weight in model.named_parameters()}
