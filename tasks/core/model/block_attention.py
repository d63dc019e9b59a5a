"""Causal attention on a CPU, a block of queries at a time, each with the keys up to its end and no others.

PyTorch's own kernel multiplies with most of the keys that come later, too, and then throws that away: of rows of 512 tokens it
takes 24 ms for what takes 15 here.

Legend: query, key, value [batch, heads, time, width]; flat ones [batch times heads, time, width].
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tasks.core.errors import ModelError

NAME = "causal_blocks"
BLOCK = 96  # queries at once
CHOICES = (
    "indices",
    "block_indices",
)  # of keys, which families hand to attention that they do not know by name
KEPT = 512  # tokens of rows whose shares are kept for the way back; those of longer ones would be most of what there is


class CausalAttention(torch.autograd.Function):
    """Attend to what came before, each token to itself too; the same as PyTorch's, but for rounding."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        asked, keys, values = _flat(query * scale), _flat(key), _flat(value)
        parts, kept = [], []
        for rows, until in _blocks(query.shape[2]):
            shares = _shares(asked, keys, rows, until)
            parts.append(torch.bmm(shares, values[:, :until]))
            if query.shape[2] <= KEPT:
                kept.append(shares)
        ctx.save_for_backward(asked, keys, values, *kept)
        ctx.scale = scale
        return torch.cat(parts, 1).view(query.shape[:3] + value.shape[3:])

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[torch.Tensor | None, ...]:
        asked, keys, values, *kept = ctx.saved_tensors
        slope = _flat(outer[0])
        to_asked, to_keys, to_values = [], torch.zeros_like(keys), torch.zeros_like(values)
        for number, (rows, until) in enumerate(_blocks(asked.shape[1])):
            shares = kept[number] if kept else _shares(asked, keys, rows, until)
            to_values[:, :until] += torch.bmm(shares.transpose(1, 2), slope[:, rows])
            to_shares = torch.bmm(slope[:, rows], values[:, :until].transpose(1, 2))
            to_scores = torch._softmax_backward_data(to_shares, shares, -1, shares.dtype)  # noqa: SLF001 - the fused one
            to_asked.append(torch.bmm(to_scores, keys[:, :until]))
            to_keys[:, :until] += torch.bmm(to_scores.transpose(1, 2), asked[:, rows])
        to_query = torch.cat(to_asked, 1).mul_(ctx.scale)
        return *(
            each.view(outer[0].shape[:3] + each.shape[2:]) for each in (to_query, to_keys, to_values)
        ), None


def attend_in_blocks(model: Any) -> None:
    """Let a model attend by `CausalAttention` where it would by PyTorch's kernel; other families and other masks keep theirs."""
    parts = [part for part in model.modules() if isinstance(part, PreTrainedModel)]
    ways = {part.config._attn_implementation for part in parts}  # noqa: SLF001 - it has no other name
    if ways == {"sdpa"} and all(part._supports_attention_backend for part in parts):  # noqa: SLF001 - nor has this
        AttentionInterface.register(NAME, _attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    if any(others.get(name) is not None for name in CHOICES):
        raise ModelError(
            "This base chooses the keys that it attends to, which training on a CPU cannot follow.",
            cure="Set model.attention=sdpa.",
        )
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    plain = (
        causal
        and attention_mask is None
        and not dropout
        and others.get("position_bias") is None
        and others.get("softcap") is None
        and query.dtype == torch.float32
        and query.shape[2] == key.shape[2]
        and torch.is_grad_enabled()
    )
    if not plain:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal, **others
        )
    groups = query.shape[1] // key.shape[1]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    attended: torch.Tensor = CausalAttention.apply(query, key, value, scale)
    return attended.transpose(1, 2).contiguous(), None


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(-1, *tensor.shape[2:])


def _blocks(time: int) -> Iterator[tuple[slice, int]]:
    """Give the queries of each block, and how many keys they see."""
    for start in range(0, time, BLOCK):
        until = min(start + BLOCK, time)
        yield slice(start, until), until


def _shares(asked: torch.Tensor, keys: torch.Tensor, rows: slice, until: int) -> torch.Tensor:
    """Give what share each key has for a block of queries [batch times heads, queries, keys]."""
    scores = torch.bmm(asked[:, rows], keys[:, :until].transpose(1, 2))
    count = scores.shape[1]
    scores[:, :, rows.start :] += _later(scores.device)[:count, :count]
    return torch.softmax(scores, -1)


@cache
def _later(device: torch.device) -> torch.Tensor:
    """Give what hides the keys of a block that come after each of its queries."""
    return torch.full((BLOCK, BLOCK), float("-inf"), device=device).triu_(1)
