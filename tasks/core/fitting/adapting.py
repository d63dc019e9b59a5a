"""Adapting: a base becomes the model of a plan, the same for the trainer and for the planner that foresees it."""

from typing import Any

from tasks.core.fitting.plan import FitPlan
from tasks.core.model.adapters import attach


def adapt(base: Any, plan: FitPlan) -> Any:
    """Let a base compute activations twice where a plan says so, and put the plan's adapter on."""
    if plan.gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    return attach(base, plan.lora, plan.seed)
