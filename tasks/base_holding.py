"""Base holding: how the base is held in a run whose settings leave that to the device."""

from pathlib import Path

from tasks.core.model.devices import BYTES, loaded_dtype, total_memory
from tasks.core.model.holding import UNROUNDED, choose_quantization, count_weights, unquantized_bytes
from tasks.core.receipts import BaseModel
from tasks.core.report.wording import held_in, size
from tasks.core.settings import Held, Settings
from tasks.journal import journal


def settle_quantization(workspace: Path, base: BaseModel, settings: Settings) -> Settings:
    """Give the settings with how the base is held; the run says what was chosen, and why."""
    if settings.model.quantization != "auto":
        return settings
    held, why = _choose(base.folder(workspace), settings)
    journal().notes.append(f"The base is held {held_in(held)}: {why} (model.quantization is auto).")
    return settings.model_copy(update={"model": settings.model.model_copy(update={"quantization": held})})


def held_by(settings: Settings) -> str:
    """Say what it hangs on how the base is held, before that is here; empty where the settings say how."""
    if settings.model.quantization != "auto":
        return ""
    return f"{total_memory(settings.training.processes) / 2**30:.0f} GiB"


def _choose(base: Path, settings: Settings) -> tuple[Held, str]:
    training, method = settings.training, settings.lora.method
    if method in UNROUNDED:
        return "none", f"{method} needs weights in full precision"
    if not base.is_dir():  # in a plan
        return "nf4", "so it is taken, until its files are here and measured"
    memory = total_memory(training.processes)
    dtype = loaded_dtype(settings.model.dtype)
    mine = unquantized_bytes(count_weights(base), BYTES[dtype], training)
    held = choose_quantization(mine, method, memory)
    return held, f"in {dtype}, its weights take {size(mine)} of the device's {size(memory)}"
