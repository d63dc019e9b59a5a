"""A model as its training held it, for scoring: the base quantized in the same way, with an adapter or without; mixed types score in float32."""

from pathlib import Path
from typing import Any

from tasks.core.model.adapters import compute_in, is_whole, load_adapter
from tasks.core.model.devices import compute_dtype
from tasks.core.model.loading import load_base
from tasks.core.settings import ModelSettings


def load_as_trained(base: Path, adapter: Path | None, model: ModelSettings) -> Any:
    """Load a base with what was trained on it; one whose weights were trained themselves has them in 32 bit.

    Raises `ModelError` where base and adapter do not fit, or layers did not come out quantized.
    """
    whole = adapter is not None and is_whole(adapter)
    loaded = load_base(
        base,
        model.held_as,
        double_quant=model.double_quant,
        dtype="float32" if whole else model.dtype,
        attention=model.attention,
    ).model
    adapted = load_adapter(loaded, adapter) if adapter else loaded
    return compute_in(adapted, compute_dtype(model.dtype, str(adapted.device))) if whole else adapted
