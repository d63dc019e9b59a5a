"""Products in 16 bit: rounded as told, in every family and with every method, and nothing else is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from tiny_families import FAMILIES, model_of
from torch import nn

from tasks.core.errors import ModelError
from tasks.core.fitting import child
from tasks.core.fitting.loop import Trainer
from tasks.core.fitting.plan import FitPlan
from tasks.core.model import devices
from tasks.core.model.adapters import trainable_parameters
from tasks.core.model.devices import MIXED, check_mixed, compute_dtype, settled_dtype
from tasks.core.model.heads import ROUNDED, WHOLE_ROWS, labelled_loss, may_be_bare
from tasks.core.model.products import RoundedProduct, are_rounded, check_rounded, round_layers
from tasks.core.model.quantizing import linear_layers
from tasks.core.tokens.storing import map_token_rows

IDS = torch.randint(3, 97, (3, 21), generator=torch.Generator().manual_seed(1))
CAPS_ITS_LOGITS = "gemma2"


def exactly(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Multiply what is rounded without rounding any more."""
    return x.detach().bfloat16().double() @ weight.bfloat16().double().T


def is_that(found: torch.Tensor, exact: torch.Tensor) -> bool:
    """Say whether numbers are in bfloat16, and the next to what they should be."""
    return torch.equal(found, found.bfloat16().float()) and torch.allclose(
        found.double(), exact, rtol=2**-8, atol=1e-5
    )


@pytest.mark.parametrize("rows", [0, 1, WHOLE_ROWS - 1, WHOLE_ROWS, WHOLE_ROWS + 1, 100])
def test_a_product_is_that_of_what_is_rounded(rows: int) -> None:
    torch.manual_seed(rows)
    x, weight = torch.randn(rows, 24, requires_grad=True), torch.randn(10, 24)
    bias, slope = torch.randn(10), torch.randn(rows, 10)
    found = RoundedProduct.apply(x, weight.bfloat16(), None)
    assert is_that(found, exactly(x, weight))
    assert torch.equal(RoundedProduct.apply(x, weight.bfloat16(), bias), found + bias)
    (to_x,) = torch.autograd.grad(found, x, slope)
    assert is_that(to_x, exactly(slope, weight.T))


def test_what_is_multiplied_is_rounded() -> None:
    weight = torch.ones(1, 2, dtype=torch.bfloat16)
    assert RoundedProduct.apply(torch.tensor([[1.003, -1.0]]), weight, None).item() == 0


def of(plan: FitPlan, base: Path, dtype: str, **changes: Any) -> Any:
    """Make the model of a training in one compute type."""
    mine = replace(plan, base=str(base), dtype=dtype, dropout=0.0, attention="auto", **changes)
    return child.adapted(mine, "cpu")[1].train()


def learned(model: Any) -> tuple[float, torch.Tensor]:
    """Go there and back, and give the loss per token, and all gradients in a row."""
    torch.manual_seed(0)  # some bases draw
    chosen, wanted = torch.ones_like(IDS, dtype=torch.bool), IDS.flatten()
    loss = labelled_loss(model, IDS, chosen, wanted, torch.ones(len(wanted)), bare=may_be_bare(model)) / len(
        wanted
    )
    slopes = torch.autograd.grad(loss, list(trainable_parameters(model).values()))
    return loss.item(), torch.cat([slope.flatten() for slope in slopes])


WAYS = [("nf4", "lora"), ("none", "dora"), ("none", "pissa"), ("nf4", "prefix"), ("nf4", "prompt")]


@pytest.mark.parametrize(("quantization", "method"), WAYS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_learns_alike_and_holds_half(
    family: str, quantization: str, method: str, plan: FitPlan, bases: dict[str, Path]
) -> None:
    way = {"quantization": quantization, "method": method, "rank": 4}
    whole, mixed = (of(plan, bases[family], dtype, **way) for dtype in ("float32", MIXED))
    (loss, slope), (mixed_loss, mixed_slope) = learned(whole), learned(mixed)
    assert mixed_loss == pytest.approx(loss, rel=5e-3)
    assert mixed_loss != loss
    assert torch.cosine_similarity(slope, mixed_slope, dim=0) > 0.995
    assert are_rounded(mixed)
    assert not are_rounded(whole)
    layers = [layer.weight for _, layer in linear_layers(mixed) if not layer.weight.requires_grad]
    assert {weight.dtype for weight in layers} == {torch.bfloat16}
    rest = set(mixed.parameters()) - set(layers)
    assert {weight.dtype for weight in rest} == {torch.float32}
    head = mixed.get_output_embeddings()
    assert hasattr(head, ROUNDED) == (family != CAPS_ITS_LOGITS)
    if hasattr(head, ROUNDED):
        getattr(head, ROUNDED).zero_()
        logits = torch.zeros(97) if head.bias is None else head.bias
        assert learned(mixed)[0] == pytest.approx((logits.logsumexp(0) - logits[IDS].mean()).item())


@pytest.mark.parametrize(
    "way", [{"quantization": "int8"}, {"packed": True}, {"quantization": "none", "method": "full"}]
)
def test_layers_that_are_quantized_or_trained_stay_as_they_are(
    way: dict[str, Any], plan: FitPlan, bases: dict[str, Path]
) -> None:
    model = of(plan, bases["llama"], MIXED, **way)
    assert are_rounded(model) == ("method" not in way)  # by the head alone
    assert torch.bfloat16 not in {weight.dtype for weight in model.parameters()}


def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(plan: FitPlan, tmp_path: Path) -> None:
    mixed = replace(plan, dtype=MIXED, max_steps=6, checkpoint_steps=2)

    def trained(work: Path, stop_after: int = 0) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        work.mkdir(exist_ok=True)
        mine = replace(mixed, work=str(work))
        trainer = Trainer(
            mine, child.adapted(mine, "cpu")[1], map_token_rows(Path(mine.tokens)), Accelerator(cpu=True)
        )
        steps = iter(range(1, 10**6))
        return trainer.run(lambda: next(steps) == stop_after), trainer.weights

    _, whole = trained(tmp_path / "whole")
    assert trained(tmp_path / "stopped", stop_after=3)[0] == {"stopped_at": 3}
    facts, again = trained(tmp_path / "stopped")
    assert facts["resumed_from"] == 3
    assert all(torch.equal(weight, again[name]) for name, weight in whole.items())


class ByItself(nn.Module):
    """A part that computes with the weight of its layer by itself."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply."""
        return x @ self.layer.weight.T


def test_a_base_that_reads_the_weights_of_its_layers_is_refused() -> None:
    model = model_of("llama").requires_grad_(requires_grad=False)
    block = model.model.layers[0]
    block.mlp.down_proj = ByItself(block.mlp.down_proj)
    check_rounded(model)
    round_layers(model)
    with pytest.raises(ModelError, match="cannot be in two types") as refused:
        check_rounded(model)
    assert refused.value.cure == "Set model.dtype=float32."
    block.mlp = nn.Linear(3, 3)  # whatever else fails is told as it is
    with pytest.raises(RuntimeError, match="shape"):
        check_rounded(model)


@pytest.mark.parametrize(
    ("flags", "means"), [("fpu avx512f avx512_bf16 vaes", MIXED), ("fpu avx2 avx512f", "float32")]
)
def test_the_compute_type_is_chosen_by_what_the_processor_multiplies(
    flags: str, means: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\nmodel name\t: avx512_bf16\nflags\t\t: {flags}\n")
    monkeypatch.setattr(devices, "CPU_FLAGS", told)
    monkeypatch.setattr(devices, "GPU_NODES", ())
    assert settled_dtype("auto") == means
    assert settled_dtype("float16") == "float16"
    monkeypatch.setattr(devices, "CPU_FLAGS", tmp_path / "missing")
    assert settled_dtype("auto") == "float32"


def test_mixed_types_are_for_processors() -> None:
    assert compute_dtype(MIXED, "cpu") == torch.float32
    with pytest.raises(ModelError, match=r"model\.dtype is mixed") as refused:
        check_mixed(MIXED, "cuda:0")
    assert refused.value.cure == "Set model.dtype=auto."
