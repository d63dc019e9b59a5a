"""What must hold before, during and after training; each failure known from the field has its own message."""

import math
from typing import Any

from tasks.core.errors import ModelError


def check_labels(labelled: int, rows: int) -> None:
    """Insist that a step has tokens to learn."""
    if labelled == 0:
        raise ModelError(
            f"A step of {rows} rows has no token to learn: every label is masked.",
            cure="Check that the replies are not empty and that the prompt template ends before the reply.",
        )


def check_loss(loss: float, step: int) -> None:
    """Insist on a finite loss before it reaches the weights."""
    if not math.isfinite(loss):
        raise ModelError(
            f"The loss is {loss} at step {step}; nothing was learned from it and nothing will be registered.",
            cure="Lower training.learning_rate, or set model.dtype=float32.",
        )


def check_gradient(norm: float, step: int) -> None:
    """Insist on a gradient that is finite and not zero."""
    if not math.isfinite(norm):
        raise ModelError(
            f"The gradient norm is {norm} at step {step}.",
            cure="Lower training.learning_rate, or set model.dtype=float32.",
        )
    if norm == 0.0:
        raise ModelError(
            f"The gradient is zero at step {step}: the adapter is not connected to the loss.",
            cure="Check lora.targets, and training.gradient_checkpointing with this base.",
        )


def check_moved(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Insist that training changed every weight of the adapter; give the share of weights that moved.

    Raises `ModelError` for an inert adapter: B is still zero everywhere, so the model is still the base.
    """
    moved = [name for name in after if not bool((after[name] == before[name]).all())]
    inert = [name for name in after if "lora_B" in name and not bool(after[name].any())]
    if not moved or inert:
        raise ModelError(
            f"Training left {len(after) - len(moved)} of {len(after)} adapter weights as they were, {len(inert)} of them zero.",
            cure="Train longer, raise training.learning_rate, or choose other lora.targets.",
        )
    return len(moved) / len(after)
