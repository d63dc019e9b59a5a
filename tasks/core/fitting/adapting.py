"""Adapting: a base becomes the model of a plan, the same for the trainer and for the planner that foresees it."""

from typing import Any

import torch

from tasks.core.fitting.plan import FitPlan
from tasks.core.model.adapters import attach
from tasks.core.model.block_attention import attend_in_blocks


def adapt(base: Any, plan: FitPlan, device: str) -> Any:
    """Let a base compute on a device as a plan says, activations twice where it says so, and put the plan's adapter on."""
    if plan.attention == "auto" and torch.device(device).type == "cpu":
        attend_in_blocks(base)
    if plan.gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    return attach(base, plan.lora, plan.seed)
