"""Products in 16 bit: rounded as told, in every family and with every method, and nothing else is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from tiny_families import FAMILIES
from torch import nn
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import ModelError
from tasks.core.fitting import child
from tasks.core.fitting.loop import Trainer
from tasks.core.fitting.plan import FitPlan
from tasks.core.model import devices
from tasks.core.model.adapters import trainable_parameters
from tasks.core.model.devices import MIXED, compute_dtype, settled_dtype
from tasks.core.model.heads import GRAIN, ROUNDED, labelled_loss, may_be_bare
from tasks.core.model.products import RoundedProduct, are_rounded
from tasks.core.tokens.storing import map_token_rows

IDS = torch.randint(3, 97, (3, 21), generator=torch.Generator().manual_seed(1))
CAPS_ITS_LOGITS = "gemma2"


def exactly(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Multiply what is rounded without rounding any more."""
    return x.bfloat16().double() @ weight.bfloat16().double().T


@pytest.mark.parametrize("rows", [0, 1, GRAIN - 1, GRAIN, GRAIN + 1, 100])
@pytest.mark.parametrize("biased", [False, True])
def test_a_product_is_that_of_what_is_rounded(rows: int, biased: bool) -> None:
    torch.manual_seed(rows)
    x, weight = torch.randn(rows, 24, requires_grad=True), torch.randn(10, 24)
    bias, slope = (torch.randn(10) if biased else None), torch.randn(rows, 10)
    found = RoundedProduct.apply(x, weight.bfloat16(), bias)
    known = exactly(x, weight) + (0 if bias is None else bias)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), known, atol=0.05, rtol=1e-2)
    (to_x,) = torch.autograd.grad(found, x, slope)
    assert torch.allclose(to_x.double(), exactly(slope, weight.T), atol=0.05, rtol=1e-2)
    if rows:
        assert not torch.equal(to_x, slope @ weight)


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
    for name, weight in mixed.named_parameters():
        layer = mixed.get_submodule(name.rpartition(".")[0])
        is_head = layer is mixed.get_output_embeddings()
        held = isinstance(layer, nn.Linear | Conv1D) and not weight.requires_grad and not is_head
        is_half = held and name.endswith("weight")
        assert weight.dtype == (torch.bfloat16 if is_half else torch.float32), name
    assert hasattr(mixed.get_output_embeddings(), ROUNDED) == (family != CAPS_ITS_LOGITS)


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

    def trained(work: Path, stop_after: int = 0) -> dict[str, torch.Tensor]:
        work.mkdir(exist_ok=True)
        mine = replace(mixed, work=str(work))
        trainer = Trainer(
            mine, child.adapted(mine, "cpu")[1], map_token_rows(Path(mine.tokens)), Accelerator(cpu=True)
        )
        steps = iter(range(1, 10**6))
        trainer.run(lambda: next(steps) == stop_after)
        return trainer.weights

    whole = trained(tmp_path / "whole")
    trained(tmp_path / "stopped", stop_after=3)
    again = trained(tmp_path / "stopped")
    assert all(torch.equal(weight, again[name]) for name, weight in whole.items())


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
        compute_dtype(MIXED, "cuda:0")
    assert refused.value.cure == "Set model.dtype=auto."
