"""Output heads: logits are computed where they are needed, since the head is the widest layer of a small model.

Legend: chosen [batch, time] are the positions whose next token is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tasks.core.tokens.batching import IGNORED


def targets_of(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the positions [batch, time] that are followed by a label, and those labels [chosen]."""
    ahead = torch.full_like(labels, IGNORED)
    ahead[:, :-1] = labels[:, 1:]
    chosen = ahead != IGNORED
    return chosen, ahead[chosen]


@contextmanager
def head_only_at(model: Any, chosen: torch.Tensor) -> Iterator[None]:
    """Let the output head of a model see the chosen positions alone: its logits become [chosen, vocabulary].

    What follows the head, such as a cap on logits, works on each position by itself in every family. Rows need no
    attention mask where their padding is on the right: causal attention does not see it.
    """

    def choose(_head: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0][chosen], *inputs[1:])

    hook = model.get_output_embeddings().register_forward_pre_hook(choose)
    try:
        yield
    finally:
        hook.remove()
