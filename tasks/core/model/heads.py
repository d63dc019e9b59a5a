"""Output heads: logits are computed where labels are, and a bounded number at once; the head is the widest layer there is.

Legend: chosen [batch, time] are the positions whose next token is asked for; hidden [chosen, width], logits
[chosen, vocabulary], wanted [chosen] the tokens that follow, weights [chosen] what each of them counts. Virtual tokens of an
adapter come first and are not chosen from: the positions of a row are the last of what a head sees.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import nn

from tasks.core.model.devices import logits_at_once
from tasks.core.tokens.batching import IGNORED

WHOLE_ROWS = 32
"""Rows of a product: on a CPU in 16 bit a multiple of it, since oneDNN writes a program of 0.6 MiB, in half a millisecond, for each
number of rows that it meets; before a head never fewer, or the time goes into reading its weights."""
ROUNDED = "rounded_weight"
"""What a head is given that shall multiply by its weight in 16 bit, beside the weight itself, which embeddings may share."""

_HERE = threading.local()
"""The positions of which this thread wants hidden states in place of logits."""


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

    def choose(_head: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0][:, -chosen.shape[1] :][chosen], *inputs[1:])

    hook = model.get_output_embeddings().register_forward_pre_hook(choose)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def no_head(model: Any, chosen: torch.Tensor) -> Iterator[None]:
    """Let a model give this thread the hidden states [chosen, width] that its output head would see, in place of logits.

    Other threads that go through it meanwhile get what they ask for: what stands in for the head's forward stays, and is
    the head's own wherever nobody asks for hidden states.
    """
    head = model.get_output_embeddings()
    if "forward" not in vars(head):
        head.forward = MethodType(_forward, head)
    _HERE.chosen = chosen
    try:
        yield
    finally:
        del _HERE.chosen


def _forward(head: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    chosen = getattr(_HERE, "chosen", None)
    usual: torch.Tensor = (
        type(head).forward(head, hidden) if chosen is None else hidden[:, -chosen.shape[1] :][chosen]
    )
    return usual


def may_be_bare(model: Any) -> bool:
    """Say whether logits are the frozen output head's own, as far as can be told without values to ask the model itself with."""
    head = model.get_output_embeddings()
    capped = getattr(model.config, "final_logit_softcapping", None)
    return type(head) is nn.Linear and not head.weight.requires_grad and capped is None


def is_bare(model: Any, ids: torch.Tensor) -> bool:
    """Say whether logits are the frozen output head's own, with nothing after it; asked of the model itself, with `ids`."""
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or any(weight.requires_grad for weight in head.parameters()):
        return False
    chosen = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[:, -ids.shape[1] :][chosen]
        with no_head(model, chosen):
            hidden = model(input_ids=ids, use_cache=False).logits
        known = head(hidden.to(head.weight.dtype))
        return bool(torch.allclose(known.float(), logits.float(), atol=1e-4))


def labelled_loss(
    model: Any,
    ids: torch.Tensor,
    chosen: torch.Tensor,
    wanted: torch.Tensor,
    weights: torch.Tensor,
    *,
    bare: bool,
    device: str = "",
) -> torch.Tensor:
    """Sum the weighted losses at the chosen positions of ids [batch, time]; the head is asked there alone.

    With a `bare` head, never more than a bounded number of logits are in memory; how many goes by `device`, or by where the
    ids are.
    """
    if bare:
        with no_head(model, chosen):
            hidden = model(input_ids=ids, use_cache=False).logits
        return headless_loss(hidden, model.get_output_embeddings(), wanted, weights, device)
    with head_only_at(model, chosen):
        logits = model(input_ids=ids, use_cache=False).logits
    return summed_loss(logits, wanted, weights)


def summed_loss(logits: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum the cross-entropy in nats of the wanted tokens, each times its weight."""
    losses = nn.functional.cross_entropy(logits.float(), wanted, reduction="none")
    return (losses * weights).sum()


def headless_loss(
    hidden: torch.Tensor, head: nn.Linear, wanted: torch.Tensor, weights: torch.Tensor, device: str = ""
) -> torch.Tensor:
    """Give the same from hidden states and a frozen head; never more than a bounded number of logits are in memory.

    The gradient, where one is wanted, is computed with the loss, while the logits are there. How many there may be goes by
    `device`, or by where the hidden states are.
    """
    place = torch.device(device or hidden.device)
    rows = max(logits_at_once(place) // head.out_features, WHOLE_ROWS)
    weight = getattr(head, ROUNDED, head.weight)
    total: torch.Tensor = _HeadlessLoss.apply(
        hidden, weight, head.bias, wanted, weights, rows, place.type == "cpu"
    )
    return total


def rounded(rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Give rows [count, width] in another type, with rows of zeros after them where that spares a CPU programs."""
    if rows.dtype == dtype or not rows.is_cpu:
        return rows.to(dtype)
    given = rows.new_empty(-(-len(rows) // WHOLE_ROWS) * WHOLE_ROWS, rows.shape[1], dtype=dtype)
    given[: len(rows)] = rows
    given[len(rows) :] = 0
    return given


class _HeadlessLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        wanted: torch.Tensor,
        weights: torch.Tensor,
        rows: int,
        on_cpu: bool,
    ) -> torch.Tensor:
        total, gradient = torch.zeros((), device=hidden.device), torch.empty_like(hidden)
        for start in range(0, len(hidden), rows):
            part = slice(start, start + rows)
            each, target = weights[part, None], wanted[part, None]
            asked = rounded(hidden[part], weight.dtype)
            logits = nn.functional.linear(asked, weight)[: len(each)].float()
            if bias is not None:
                logits += bias
            at_target = logits.gather(1, target)
            if on_cpu:  # it is fast with softmax, whose sum is told by the highest logit and its chance
                chances, highest = logits.softmax(-1), logits.amax(-1, keepdim=True)
                whole = highest - chances.amax(-1, keepdim=True).log()
            else:  # a second block of logits would be most of a small GPU
                whole = logits.logsumexp(-1, keepdim=True)
                chances = logits.sub_(whole).exp_()
            del logits
            total += ((whole - at_target) * each).sum()
            if ctx.needs_input_grad[0]:
                # d loss / d logits = softmax - one at the wanted token
                slope = chances.mul_(each).scatter_add_(1, target, -each)
                gradient[part] = (rounded(slope, weight.dtype) @ weight)[: len(each)]
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0], None, None, None, None, None, None
