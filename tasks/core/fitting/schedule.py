"""Which micro-batches make up which optimizer step, and the learning rate of each: functions of the plan alone."""

import math
from collections.abc import Sequence

from tasks.core.tokens.batching import token_batches

Step = list[list[int]]  # the batches of one optimizer step, each a list of row numbers


def plan_steps(
    lengths: Sequence[int],
    *,
    batch_tokens: int,
    batches_a_step: int,
    seed: int,
    epochs: float,
    max_steps: int,
) -> list[Step]:
    """Plan `epochs` passes over rows of `lengths`, `batches_a_step` to a step, cut at `max_steps` unless that is 0.

    Every whole pass has every row once; equal arguments give equal steps, so a resumed run sees the same rows.
    A step at the end of a pass may have fewer batches: its gradient is the mean over its own tokens.
    """
    steps: list[Step] = []
    for epoch in range(math.ceil(epochs)):
        batches = token_batches(lengths, batch_tokens, seed, epoch)
        starts = range(0, len(batches), batches_a_step)
        passes = [batches[start : start + batches_a_step] for start in starts]
        share = min(epochs - epoch, 1.0)
        steps += passes[: math.ceil(share * len(passes))]
        if max_steps and len(steps) >= max_steps:
            break
    return steps[:max_steps] if max_steps else steps


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Give the rate of step `step` (from 0): a linear rise over `warmup * steps`, then a cosine to a tenth of the peak."""
    rising = max(math.ceil(warmup * steps), 1)
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(steps - rising, 1)
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))
