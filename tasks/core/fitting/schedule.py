"""Which micro-batches make up which optimizer step, and the learning rate of each: functions of the plan alone."""

import math
from collections.abc import Sequence

from tasks.core.tokens.batching import row_batches, token_batches

Step = list[list[int]]  # the batches of one optimizer step, each a list of row numbers


def plan_steps(
    lengths: Sequence[int],
    *,
    batch_tokens: int,
    batch_rows: int,
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
        batches = (
            row_batches(len(lengths), batch_rows, seed, epoch)
            if batch_rows
            else token_batches(lengths, batch_tokens, seed, epoch)
        )
        starts = range(0, len(batches), batches_a_step)
        passes = [batches[start : start + batches_a_step] for start in starts]
        share = min(epochs - epoch, 1.0)
        steps += passes[: math.ceil(share * len(passes))]
        if max_steps and len(steps) >= max_steps:
            break
    return steps[:max_steps] if max_steps else steps


def learning_rate(step: int, steps: int, peak: float, warmup: float, schedule: str) -> float:
    """Give the rate of step `step` (from 0): a linear rise over `warmup * steps`, then what `schedule` says.

    `cosine` falls to a tenth of the peak, `linear` to zero after the last step, `constant` stays.
    """
    rising = max(math.ceil(warmup * steps), 1)
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(steps - rising, 1)
    if schedule == "constant":
        return peak
    if schedule == "linear":
        return peak * (1 - progress)
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))
