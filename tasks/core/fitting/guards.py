"""What must hold before, during and after training; each failure known from the field has its own message."""

import math
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from tasks.core.errors import Diverged, ModelError

EXPERT = ".expert_"  # in the names of an expert's weights
ENOUGH = 20  # steps; of fewer, nothing is said of the curve
LEAST_FALL = 0.02  # of the loss, between the first and the last tenth of the steps
BEFORE = 10  # steps whose median a jump is measured from
JUMP, LEAST_JUMP = 2.0, 0.5  # times that median, and nats above it


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
        raise Diverged(
            f"The loss is {loss} at step {step}; nothing was learned from it and nothing will be registered.",
            cure="Lower training.learning_rate, or set model.dtype=float32.",
        )


def check_gradient(norm: float, step: int) -> None:
    """Insist on a gradient that is finite and not zero."""
    if not math.isfinite(norm):
        raise Diverged(
            f"The gradient norm is {norm} at step {step}.",
            cure="Lower training.learning_rate, or set model.dtype=float32.",
        )
    if norm == 0.0:
        raise ModelError(
            f"The gradient is zero at step {step}: the adapter is not connected to the loss.",
            cure="Check lora.targets, and training.gradient_checkpointing with this base.",
        )


def check_moved(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Insist that training changed the adapter; give the share of weights that moved.

    Raises `ModelError` for an inert one: a B is zero, so its layer is the base's, or is what a training before has left.
    An expert that no token was sent to may stay as it was.
    """
    moved = {name for name in after if not bool((after[name] == before[name]).all())}
    heard = {name for name in after if "lora_B" in name and EXPERT not in name}
    inert = [name for name in sorted(heard) if name not in moved or not bool(after[name].any())]
    if not moved or inert:
        raise ModelError(
            f"Training left {len(after) - len(moved)} of {len(after)} adapter weights as they were; the layers of {len(inert)} have "
            "learned nothing.",
            cure="Train longer, raise training.learning_rate, or choose other lora.targets.",
        )
    return len(moved) / len(after)


def check_difference(difference: float) -> None:
    """Insist that what was trained is heard: that logits are not what they were before."""
    if not difference > 0:  # NaN fails too
        raise ModelError(
            f"Training has changed logits by {difference:g} at most: what was trained is not heard.",
            cure="Train longer, raise training.learning_rate, or choose other lora.targets.",
        )


def check_vocabulary(highest: int, size: int) -> None:
    """Insist that every token id is one that the base has."""
    if highest >= size:
        raise ModelError(
            f"The token rows have id {highest}, and the base knows {size} tokens: the tokenizer is not of this base.",
            cure="Give the base's folder the tokenizer files that it was published with.",
        )


def notes_on_losses(losses: Sequence[float], *, warm: bool) -> list[str]:
    """Say what is worth a look in the losses of all steps, each with its cure: they did not fall, or one jumped.

    Those of a `warm` training, which begins where another has ended, may have little left to fall.
    """
    if len(losses) < ENOUGH:
        return []
    flat = "" if warm else _note_if_flat(losses)
    return [note for note in (flat, _note_of_jump(losses)) if note]


def _note_if_flat(losses: Sequence[float]) -> str:
    tenth = len(losses) // 10
    first, last = fmean(losses[:tenth]), fmean(losses[-tenth:])
    if last <= first * (1 - LEAST_FALL):
        return ""
    return (
        f"The loss did not fall in {len(losses)} steps: {first:.3f} in the first tenth, {last:.3f} in the last. "
        "Raise training.learning_rate or lora.rank, or look at the sample rows in the report."
    )


def _note_of_jump(losses: Sequence[float]) -> str:
    """Tell of the highest jump, the first of several, where there is one."""
    usual = [median(losses[step - BEFORE : step]) for step in range(BEFORE, len(losses))]
    heights = [loss - before for loss, before in zip(losses[BEFORE:], usual, strict=True)]
    height = max(heights)
    step = heights.index(height)
    loss, before = losses[BEFORE + step], usual[step]
    if height < LEAST_JUMP or loss < JUMP * before:
        return ""
    return (
        f"The loss jumped from {before:.3f} to {loss:.3f} at step {BEFORE + step + 1}. "
        "Lower training.learning_rate or training.clip, or look for rows unlike the others."
    )
