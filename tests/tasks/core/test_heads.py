"""The head asked where labels are, without a mask: the same losses and gradients as the whole logits with one."""

from typing import Any

import pytest
import torch
from tiny_families import FAMILIES, model_of

from tasks.core.model.heads import (
    head_only_at,
    headless_loss,
    is_bare,
    no_head,
    summed_loss,
    targets_of,
)
from tasks.core.tokens.batching import IGNORED, collate


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_the_same(family: str) -> None:
    rows = [list(range(3, 3 + size)) for size in (17, 9, 5)]
    ids, mask, labels = map(torch.from_numpy, collate(rows, [6, 4, 4], pad_id=0))
    chosen, wanted = targets_of(labels)
    weights = torch.tensor([1.0, 2.0, 1.0])[:, None].expand(chosen.shape)[chosen]
    model = model_of(family)

    whole = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    full = summed_loss(whole[chosen], wanted, weights)
    known = gradients(model, full)
    with head_only_at(model, chosen):
        logits = model(input_ids=ids, use_cache=False).logits
    loss = summed_loss(logits, wanted, weights)
    found = gradients(model, loss)

    assert logits.shape == (int((labels != IGNORED).sum()), 97)
    assert loss.item() == pytest.approx(full.item(), rel=1e-5)
    assert found.keys() == known.keys()
    for name, gradient in found.items():
        assert torch.allclose(gradient, known[name], atol=1e-4), name


CAPPED = {"gemma2"}  # its logits are capped after the head


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("logits", [97, 97 * 7, 10**6])
def test_without_a_head_the_loss_and_its_gradient_are_the_same_in_bounded_parts(
    family: str, logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.core.model.heads.logits_at_once", lambda _device: logits)
    monkeypatch.setattr("tasks.core.model.heads.WHOLE_ROWS", 1)
    model = model_of(family)
    ids = torch.arange(3, 43).reshape(2, 20)
    chosen, weights = torch.rand(ids.shape) < 0.5, torch.rand(40)
    chosen[0, 0] = True
    wanted = torch.randint(0, 97, (int(chosen.sum()),))
    weights = weights[: len(wanted)]
    head = model.get_output_embeddings()
    for weight in head.parameters():
        weight.requires_grad_(requires_grad=False)
    assert is_bare(model, ids) == (family not in CAPPED)
    if family in CAPPED:
        return

    whole = summed_loss(model(input_ids=ids, use_cache=False).logits[chosen], wanted, weights)
    known = gradients(model, whole / 3)
    with no_head(model, chosen):
        hidden = model(input_ids=ids, use_cache=False).logits
    loss = headless_loss(hidden, head, wanted, weights)
    found = gradients(model, loss / 3)

    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    assert found.keys() == known.keys()
    for name, gradient in found.items():
        assert torch.allclose(gradient, known[name], atol=1e-4), name


def test_a_head_that_learns_is_not_bare() -> None:
    assert not is_bare(model_of("mistral"), torch.arange(4)[None])


@pytest.mark.parametrize("without", [head_only_at, no_head])
def test_the_head_is_whole_again_afterwards(without: Any) -> None:
    model = model_of("llama")
    chosen = torch.zeros(1, 4, dtype=torch.bool)
    with pytest.raises(RuntimeError, match="gone wrong"), without(model, chosen):
        raise RuntimeError("gone wrong")
    assert model(input_ids=torch.arange(4)[None]).logits.shape == (1, 4, 97)
