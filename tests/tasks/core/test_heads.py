"""The head asked where labels are, without a mask: the same losses and gradients as the whole logits with one."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tasks.core.fitting.loop import summed_loss
from tasks.core.model.heads import head_only_at, targets_of
from tasks.core.tokens.batching import IGNORED, collate

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 61}
WIDE = {"intermediate_size": 48, "num_key_value_heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": SMALL | WIDE,
    "mistral": SMALL | WIDE | {"sliding_window": 6},
    "mixtral": SMALL | WIDE | {"num_local_experts": 4},
    "falcon": SMALL | {"new_decoder_architecture": True, "num_kv_heads": 2},
    "falcon alibi": SMALL | {"alibi": True, "new_decoder_architecture": False, "multi_query": False},
    "gpt_neox": SMALL | {"intermediate_size": 48},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 61},
    "phi": SMALL | {"intermediate_size": 48},
    "qwen2": SMALL | WIDE,
    "gemma2": SMALL | WIDE | {"head_dim": 8, "final_logit_softcapping": 5.0},
}


def model_of(family: str) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family.split(maxsplit=1)[0], **FAMILIES[family])
    return AutoModelForCausalLM.from_config(config).eval()


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

    assert logits.shape == (int((labels != IGNORED).sum()), 61)
    assert loss.item() == pytest.approx(full.item(), rel=1e-5)
    assert found.keys() == known.keys()
    for name, gradient in found.items():
        assert torch.allclose(gradient, known[name], atol=1e-4), name


def test_the_head_is_whole_again_afterwards() -> None:
    model = model_of("llama")
    chosen = torch.zeros(1, 4, dtype=torch.bool)
    with pytest.raises(RuntimeError, match="gone wrong"), head_only_at(model, chosen):
        raise RuntimeError("gone wrong")
    assert model(input_ids=torch.arange(4)[None]).logits.shape == (1, 4, 61)
