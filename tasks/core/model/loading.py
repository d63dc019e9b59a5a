"""The base model: what may be loaded, how it is quantized, and the proof that it really was."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.core.errors import ModelError
from tasks.core.model.devices import compute_dtype, default_device
from tasks.core.model.packed_weights import PACKED, load_packed
from tasks.core.starting import look_as_usual

Quantization = Literal["none", "nf4", "int8"]
FORBIDDEN = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".msgpack", ".h5", ".py")
HUB_ID = re.compile(r"(\w[\w.-]*/)?\w([\w.-]{0,94}\w)?", re.ASCII)


@dataclass(frozen=True)
class LoadedBase:
    """A base model on its device, and which of its layers hold quantized weights."""

    model: Any
    quantized: tuple[str, ...]
    quantized_share: float
    dtype: str


def check_base(folder: Path) -> dict[str, Any]:
    """Give the configuration of a base model that may be loaded.

    Raises `ModelError` for a folder without configuration or safetensors weights, with files that can run code,
    or with weights that are quantized already (they can be neither trained nor merged).
    """
    config = _config(folder)
    odd = sorted(path.name for path in folder.rglob("*") if path.suffix in FORBIDDEN)
    if odd or "auto_map" in config:
        raise ModelError(
            f"The base {folder} holds files that can run code ({', '.join(odd) or 'auto_map in config.json'}).",
            cure="Give a base with safetensors weights and an architecture that transformers knows.",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"The base {folder} has no safetensors weights.", cure="Convert it, or choose another base."
        )
    if "quantization_config" in config:
        method = config["quantization_config"].get("quant_method", "unknown")
        raise ModelError(
            f"The base {folder} is quantized already ({method}); it can be neither trained in 4 bit nor merged.",
            cure="Name the unquantized base that it was made from.",
        )
    return config


def locate_base(base: str, revision: str) -> Path | None:
    """Give the folder of a base that is one and may be loaded; None for a hub id with its revision.

    Raises `ModelError` for what is neither.
    """
    if not base:
        raise ModelError(
            "model.base is not set.",
            cure="Give --set model.base=FOLDER, or a hub id and --set model.revision=COMMIT.",
        )
    folder = Path(base)
    if revision and is_hub_id(base) and not folder.is_dir():
        return None
    if not folder.is_dir():
        raise ModelError(f"There is no base model folder {folder}.", cure="Check model.base.")
    if revision:
        raise ModelError(
            f"model.base is the folder {folder}, but model.revision is set too.",
            cure="Leave model.revision out; a folder is identified by its files.",
        )
    check_base(folder)
    return folder


def is_hub_id(base: str) -> bool:
    """Say whether a base is named as a hub names one: NAME, or OWNER/NAME."""
    return HUB_ID.fullmatch(base) is not None and "--" not in base and ".." not in base


def load_config(folder: Path) -> Any:
    """Load the configuration of a base or of a merged model. Raises `ModelError` when it cannot be read."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"The configuration of {folder} cannot be read ({type(error).__name__}).",
            cure="Check the folder with `freshtune doctor`, or restore its files.",
        ) from error


def load_tokenizer(folder: Path) -> Any:
    """Load a base's tokenizer; where it has no padding token, the end of sequence pads (labels are masked)."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"The tokenizer of {folder} cannot be loaded ({type(error).__name__}).",
            cure="Give a base folder with tokenizer.json and tokenizer_config.json.",
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(
    folder: Path,
    quantization: Quantization,
    *,
    double_quant: bool = True,
    dtype: str = "auto",
    attention: str = "auto",
    device: str = "",
    packed: bool = False,
) -> LoadedBase:
    """Load a base model, quantized as asked, and count what was really quantized; fused experts become linear layers.

    A folder with packed weights is loaded as it is. On a CPU with room for it, 4-bit weights are unpacked once and not at
    each use, unless they are to stay `packed`.

    Raises `ModelError` when layers did not come out quantized.
    """
    from transformers import AutoModelForCausalLM

    from tasks.core.model.experts import unfuse_experts
    from tasks.core.model.quantizing import hold_unpacked, quantize, quantized_layers

    look_as_usual()
    check_base(folder)
    place = device or default_device()
    compute = compute_dtype(dtype, place)
    chosen = None if attention == "auto" else attention
    is_packed = (folder / PACKED).exists()
    if is_packed and quantization != "nf4":
        raise ModelError(
            f"{folder} holds packed weights, and model.quantization is {quantization}.",
            cure="Load the base that they were made from.",
        )
    model: Any
    try:
        if is_packed:
            model = load_packed(folder, compute=compute, attention=chosen, device=place)
        else:
            model = AutoModelForCausalLM.from_pretrained(
                str(folder), local_files_only=True, dtype=compute, attn_implementation=chosen
            )
    except (OSError, ValueError, KeyError) as error:
        if "attention implementation" in str(error):
            raise ModelError(
                f"The base {folder} has no {attention} attention.", cure="Set model.attention=auto."
            ) from error
        raise ModelError(
            f"The base {folder} cannot be loaded ({type(error).__name__}).",
            cure="Check the folder with `freshtune doctor`; its config.json and weights must belong together.",
        ) from error
    if not is_packed:
        unfuse_experts(model)
        quantize(model, quantization, double_quant=double_quant, compute=compute, device=place)
    quantized, share = quantized_layers(model)
    if place == "cpu" and not packed:
        hold_unpacked(model, compute)
    return LoadedBase(model.to(place).eval(), quantized, share, str(compute).removeprefix("torch."))


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(
            f"There is no base model in {folder}: config.json is missing.",
            cure="Give model.base a folder as saved by transformers, or a hub id with model.revision.",
        )
    try:
        config = json.loads(path.read_bytes())
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object.", cure="Get the base model again.")
    return config
