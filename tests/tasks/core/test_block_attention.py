"""Attention in blocks: what PyTorch's own kernel gives, on the way there and back, in every family."""

from typing import Any

import pytest
import torch
from tiny_families import FAMILIES, model_of

from tasks.core.errors import ModelError
from tasks.core.model.block_attention import BLOCK, KEPT, NAME, CausalAttention, _attend, attend_in_blocks

OWN_CLASSES = {"falcon", "falcon alibi"}  # attends by classes that nothing can be registered with
EAGER = {"gemma2"}  # caps its scores, which no fused kernel does


@pytest.mark.parametrize("time", [1, 5, BLOCK, BLOCK + 1, 250, KEPT + 50])
def test_blocks_give_what_one_kernel_gives(time: int) -> None:
    torch.manual_seed(time)
    given = [torch.randn(2, time, 3, 16).transpose(1, 2).requires_grad_() for _ in range(3)]
    slope = torch.randn(2, 3, time, 16)
    known = torch.nn.functional.scaled_dot_product_attention(*given, is_causal=True, scale=0.3)
    found = CausalAttention.apply(*given, 0.3)
    assert torch.allclose(found, known, atol=1e-5)
    for mine, other in zip(
        torch.autograd.grad(found, given, slope), torch.autograd.grad(known, given, slope), strict=True
    ):
        assert torch.allclose(mine, other, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_the_same_in_blocks(family: str) -> None:
    ids = torch.randint(3, 97, (2, 110), generator=torch.Generator().manual_seed(1))

    def learned(model: Any) -> list[torch.Tensor]:
        torch.manual_seed(0)
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        return [loss.detach(), *torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)]

    known, model = learned(model_of(family)), model_of(family)
    attend_in_blocks(model)
    assert (model.config._attn_implementation == NAME) == (family not in OWN_CLASSES | EAGER)
    for mine, other in zip(learned(model), known, strict=True):
        assert (mine is None and other is None) or torch.allclose(mine, other, atol=1e-4)
    with torch.no_grad():
        assert torch.allclose(
            model(input_ids=ids[:, :5]).logits, model_of(family)(input_ids=ids[:, :5]).logits, atol=1e-5
        )


def test_a_window_is_kept() -> None:
    ids, model = torch.arange(3, 83)[None], model_of("mistral")
    model.config.sliding_window = 20
    known = model(input_ids=ids, use_cache=False).logits
    attend_in_blocks(model)
    assert torch.allclose(model(input_ids=ids, use_cache=False).logits, known, atol=1e-5)
    model.config.sliding_window = None
    assert not torch.allclose(model(input_ids=ids, use_cache=False).logits, known, atol=1e-3)


def test_a_base_that_chooses_its_keys_is_refused() -> None:
    query = torch.randn(1, 1, 4, 8)
    with pytest.raises(ModelError, match="chooses the keys"):
        _attend(None, query, query, query, None, indices=torch.zeros(1))
