"""Mixtures of experts: their fused weights become ordinary linear layers.

transformers holds the weights of all experts of a layer in two parameters, which nothing quantizes and no adapter fits:
of Mixtral, 96 % of the weights would stay in full precision.

Legend: hidden [tokens, width]; chosen [tokens, top k] are the experts of each token, shares [tokens, top k] their parts.
"""

from typing import Any

import torch
from torch import nn

from tasks.core.errors import ModelError

KNOWN = frozenset(
    ("MixtralExperts", "Qwen2MoeExperts", "Qwen3MoeExperts")
)  # gated, [expert, out, in], without biases


class Expert(nn.Module):
    """One expert: its gate and its way up in one linear layer, and its way down."""

    def __init__(self, up: torch.Tensor, down: torch.Tensor) -> None:
        super().__init__()
        self.gate_up_proj, self.down_proj = _linear(up), _linear(down)


class UnfusedExperts(nn.Module):
    """The experts of a layer as modules `expert_0`, `expert_1`, …, in place of the `fused` ones."""

    def __init__(self, fused: Any) -> None:
        super().__init__()
        self.count, self.act_fn = int(fused.num_experts), fused.act_fn
        for number in range(self.count):
            self.add_module(f"expert_{number}", Expert(fused.gate_up_proj[number], fused.down_proj[number]))
        fused.gate_up_proj = fused.down_proj = None

    def forward(self, hidden: torch.Tensor, chosen: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Give the sum of what each token's experts say, weighed by their shares [tokens, width]."""
        told = torch.zeros_like(hidden)
        for number in range(self.count):
            expert: Any = self.get_submodule(f"expert_{number}")
            tokens, places = torch.where(chosen == number)  # perhaps none: a gradient of zeros is one too
            gate, up = expert.gate_up_proj(hidden[tokens]).chunk(2, dim=-1)
            said = expert.down_proj(self.act_fn(gate) * up) * shares[tokens, places, None]
            told.index_add_(0, tokens, said.to(told.dtype))
        return told


def unfuse_experts(model: Any) -> None:
    """Replace all fused experts of a model by linear layers; what the model computes stays the same.

    Raises `ModelError` for fused experts of a layout that is not known here.
    """
    for name, module in list(model.named_modules()):
        fused = [weight for _, weight in module.named_parameters(recurse=False) if weight.dim() == 3]
        if not fused or not hasattr(module, "num_experts"):
            continue
        if type(module).__name__ not in KNOWN:
            raise ModelError(
                f"The experts of this base ({type(module).__name__}) are fused in a way that is not known.",
                cure=f"Choose a base without experts, or one of: {', '.join(sorted(KNOWN))}.",
            )
        model.set_submodule(name, UnfusedExperts(module))


def _linear(weight: torch.Tensor) -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    return layer
