"""Adapting: a base becomes the model of a plan, the same for the trainer and for the planner that foresees it."""

from typing import Any

import torch

from tasks.core.fitting.plan import FitPlan
from tasks.core.model.adapters import attach
from tasks.core.model.block_attention import attend_in_blocks
from tasks.core.model.methods import PISSA
from tasks.core.model.products import round_head, round_layers


def adapt(base: Any, plan: FitPlan, device: str) -> Any:
    """Put a plan's adapter on a base, which computes on a device as the plan says: activations twice, products in 16 bit."""
    if plan.attention == "auto" and torch.device(device).type == "cpu":
        attend_in_blocks(base)
    if plan.gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    if plan.rounds and plan.method != PISSA:
        round_layers(base.requires_grad_(requires_grad=False))
    adapted = attach(base, plan.lora, plan.seed)
    if plan.rounds:
        if plan.method == PISSA:  # which takes its adapter out of the weights
            round_layers(adapted)
        round_head(adapted)
    return adapted
