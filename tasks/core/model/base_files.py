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

    It may hold the rows (outputs) of one `part` of so many `parts`, and lie with its inputs first (`turned`).
    """

    parameters: tuple[str, ...]
    part: int = 0
    parts: int = 1
    turned: bool = False


def weight_files(folder: Path) -> list[Path]:
    """Give the files that hold a base's weights, and no others that lie beside them.

    Raises `ModelError` when there are none by the names that transformers looks for.
    """
    if (folder / INDEX).is_file():
        placed = json.loads((folder / INDEX).read_bytes())["weight_map"]
        return [folder / name for name in sorted(set(placed.values()))]
    if not (folder / WHOLE).is_file():
        raise ModelError(
            f"The base {folder} has neither {WHOLE} nor {INDEX}.", cure="Save it anew with transformers."
        )
    return [folder / WHOLE]


def places_of(model: Any, names: Iterable[str]) -> dict[str, Place]:
    """Say of the tensors `names` of a base's files which parameters they hold; what the model leaves out is left out.

    `model` is the base, which may be blank, with experts that are layers of their own (`unfuse_experts`).
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
    return found


def _known(model: Any) -> dict[str, Place]:
    """Give the place of every parameter by the name under which transformers loads it."""
    from transformers.pytorch_utils import Conv1D

    from tasks.core.model.experts import UnfusedExperts

    known = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, UnfusedExperts):
            for way in ("gate_up_proj", "down_proj"):
                each = tuple(f"{name}.expert_{number}.{way}.weight" for number in range(module.count))
                known[f"{name}.{way}"] = Place(each)
        for parameter, weight in module.named_parameters(recurse=False):
            turned = isinstance(module, Conv1D) and weight.dim() == 2
            whole = f"{name}.{parameter}"
            known[whole] = Place((whole,), turned=turned)
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
    return replace(fused, parameters=(expert,), part=patterns.index(pattern), parts=len(patterns))
