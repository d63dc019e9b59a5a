"""The files of a base: which tensor in them holds which weights of the model, by the rules by which transformers loads them."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(frozen=True)
class Place:
    """What a tensor of a file holds: these parameters of the model, one upon the other where there are several.

    It may hold only a `part` of their rows (outputs), counted from 0, lie with its inputs first (`turned`), and be there a
    second time under the name of a parameter that shares its memory with the first (`again`).
    """

    parameters: tuple[str, ...]
    part: int = 0
    turned: bool = False
    again: bool = False


def weight_files(folder: Path) -> list[Path]:
    """Give the files that hold a base's weights, and no others that lie beside them.

    Raises `ModelError` when there are none by the names that transformers looks for.
    """
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if not (folder / INDEX).is_file():
        raise ModelError(
            f"The base {folder} has neither {WHOLE} nor {INDEX}.", cure="Save it anew with transformers."
        )
    placed = json.loads((folder / INDEX).read_bytes())["weight_map"]
    return [folder / name for name in sorted(set(placed.values()))]


def places_of(model: Any, names: Iterable[str]) -> dict[str, Place]:
    """Say of the tensors `names` of a base's files which parameters, or buffers, they hold.

    What the model does not load is left out, and so is what is there twice. `model` is the base, which may be blank, with experts that are layers of their own (`unfuse_experts`).
    """
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    ways = get_model_conversion_mapping(model)
    renamings = [one for one in ways if isinstance(one, WeightRenaming)]
    converters = [one for one in ways if isinstance(one, WeightConverter)]
    known = _known(model)
    found = {}
    for name in names:
        loaded_as, pattern = rename_source_key(name, renamings, converters, model.base_model_prefix, known)
        place = known.get(loaded_as)
        if place and pattern:
            patterns = next(one.source_patterns for one in converters if pattern in one.source_patterns)
            place = _one_of(place, name, pattern, patterns)
        if place:
            found[name] = place
    once = {place.parameters for place in found.values() if not place.again}
    return {name: place for name, place in found.items() if not (place.again and place.parameters in once)}


def _known(model: Any) -> dict[str, Place]:
    """Give the place of every parameter by the name under which transformers loads it."""
    from transformers.pytorch_utils import Conv1D

    from tasks.core.model.experts import UnfusedExperts

    first = {id(weight): name for name, weight in model.named_parameters()}
    known = {name: Place((name,)) for name in model.state_dict()}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, UnfusedExperts):
            for way in ("gate_up_proj", "down_proj"):
                each = tuple(f"{name}.expert_{number}.{way}.weight" for number in range(module.count))
                known[f"{name}.{way}"] = Place(each)
        for parameter, weight in module.named_parameters(recurse=False):
            turned = isinstance(module, Conv1D) and weight.dim() == 2
            whole, own = f"{name}.{parameter}", first[id(weight)]
            known[whole] = Place((own,), turned=turned, again=own != whole)
    return known


def _one_of(fused: Place, name: str, pattern: str, patterns: list[str]) -> Place:
    """Give the place of one expert's tensor, which a base's files hold apart from those of the others."""
    number = re.search(re.escape(pattern).replace(r"\*", r"(\d+)"), name)
    if number is None:
        raise ModelError(
            f"The tensor {name} of this base is loaded in a way that is not known.",
            cure="Report this as a bug, with the name of the base.",
        )
    expert = fused.parameters[int(number[1])]
    return replace(fused, parameters=(expert,), part=patterns.index(pattern))
