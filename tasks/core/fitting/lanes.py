"""Lanes: pieces of a batch go through a model side by side, each computed by cores of its own.

What a model does to a piece are hundreds of small operations, and two cores that share one of them wait for each other at
its end. Two that have a piece each do not, and take no core from another program while they wait.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import torch

from tasks.core.fitting.plan import FitPlan
from tasks.core.model.devices import tokens_at_once
from tasks.core.model.methods import FULL

Given = TypeVar("Given")
Result = TypeVar("Result")
Lanes = Callable[[Callable[[Given], Result], Iterable[Given]], Iterator[Result]]
"""Like `map`: results come in the order of what was given."""

BUSY = 0.8  # of the threads, at least, have work in several lanes
STATEFUL_ROTATIONS = {"dynamic", "longrope"}  # change a model by the length of what goes through it


@contextmanager
def open_lanes(count: int) -> Iterator[Lanes[Any, Any]]:
    """Give a `map` that does so many things side by side; the threads of this process's operations are shared out among them.

    Each result is the same whichever lane it came from, and whatever went on in the others.
    """
    if count == 1:
        yield map
        return
    threads = torch.get_num_threads()
    share = max(threads // count, 1)
    try:
        with ThreadPoolExecutor(count, "lane", initializer=lambda: torch.set_num_threads(share)) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(threads)  # threads that are made later would begin with a lane's share


def in_lanes(plan: FitPlan, device: str) -> FitPlan:
    """Give a plan the lanes that a CPU's cores and the pieces of a step allow, few cores being left over.

    It is one lane for several processes, who have a core each; where memory is bounded or short, by `micro_tokens`, packed
    weights or checkpointing; in 8 bit, whose layers write down what they compute; with `full`, whose gradients are as large
    as the model; and with dropout, whose draws would depend on who is first.
    """
    fit = (
        torch.device(device).type == "cpu"
        and plan.processes == 1
        and not plan.micro_tokens
        and not plan.packed
        and not plan.gradient_checkpointing
        and plan.quantization != "int8"
        and plan.method != FULL
        and plan.dropout == 0
    )
    step = (plan.batch_rows * plan.longest or plan.batch_tokens) * plan.accumulation
    pieces = step // max(tokens_at_once(device, plan.batch_tokens), plan.longest)
    threads = torch.get_num_threads()
    counts = range(2, min(threads, pieces) + 1) if fit else ()
    return replace(plan, lanes=max((n for n in counts if n * (threads // n) >= BUSY * threads), default=1))


def may_run_side_by_side(model: Any, ids: torch.Tensor) -> bool:
    """Say whether several threads may go through a model that is being trained: whether it draws nothing and keeps nothing.

    That it draws is asked of the model itself, with `ids`; drawn is by PyTorch's generator in every family.
    """
    config = model.config.get_text_config()
    told = getattr(config, "rope_parameters", None) or {}
    rotations = {told.get("rope_type")} | {
        one.get("rope_type") for one in told.values() if isinstance(one, dict)
    }
    if rotations & STATEFUL_ROTATIONS:
        return False
    before = torch.get_rng_state()
    was_training = model.training
    model.train()
    with torch.no_grad():
        model(input_ids=ids, use_cache=False)
    model.train(was_training)
    draws = not torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(before)
    return not draws
