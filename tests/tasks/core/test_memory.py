"""The memory planner: what it foresees is what a step with real weights holds, for every family, method and quantization."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from tiny_families import FAMILIES, model_of, save_base

from tasks.core.errors import HardwareError
from tasks.core.fitting import child, memory
from tasks.core.fitting.child import adapted
from tasks.core.fitting.memory import AllocationCount, needed, settle
from tasks.core.fitting.plan import FitPlan, Room, room_of
from tasks.core.model.adapters import attach, trainable_parameters
from tasks.core.model.blank import held_tensors
from tasks.core.model.experts import unfuse_experts
from tasks.core.model.heads import labelled_loss, may_be_bare
from tasks.core.model.holding import count_weights
from tasks.core.model.quantizing import linear_layers, quantize
from tasks.core.settings import LoraSettings

WAYS = [
    ("nf4", "lora", False, "float32"),
    ("nf4", "lora", True, "mixed"),
    ("int8", "lora", False, "float32"),
    ("none", "dora", False, "float32"),
    ("none", "rslora", False, "mixed"),
    ("none", "full", False, "float32"),
    ("nf4", "prefix", False, "mixed"),
    ("nf4", "prompt", False, "float32"),
]
ROWS, LENGTH = 8, 128


@pytest.fixture(autouse=True)
def without_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the constant out: it is more than all that a tiny model holds."""
    monkeypatch.setattr(memory, "PROGRAMS", 0)


def held_at_most(plan: FitPlan) -> int:
    """Take a real step of 8 rows, the second half of each labelled, and count what it holds at most."""
    _, model = adapted(plan, "cpu")
    model.train()
    weights = list(trainable_parameters(model).values())
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    ids, chosen = torch.randint(0, 97, (ROWS, LENGTH)), torch.zeros(ROWS, LENGTH, dtype=torch.bool)
    chosen[:, LENGTH // 2 :] = True
    wanted, each = torch.randint(0, 97, (ROWS * LENGTH // 2,)), torch.ones(ROWS * LENGTH // 2)
    with AllocationCount() as count:
        for tensor in [*held_tensors(model), *(weight.grad for weight in weights)]:
            count.add(tensor)
        labelled_loss(model, ids, chosen, wanted, each, bare=may_be_bare(model)).backward()  # type: ignore[no-untyped-call]
    return count.peak + 8 * sum(weight.numel() for weight in weights)


@pytest.mark.parametrize(("quantization", "method", "checkpointing", "dtype"), WAYS)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_step_holds_is_foreseen_to_a_hundredth(
    family: str,
    quantization: str,
    method: str,
    checkpointing: bool,
    dtype: str,
    plan: FitPlan,
    bases: dict[str, Path],
) -> None:
    mine = replace(
        plan,
        base=str(bases[family]),
        quantization=quantization,
        method=method,
        gradient_checkpointing=checkpointing,
        dtype=dtype,
        attention="auto",
        dropout=0.0,
        batch_tokens=4096,
    )
    foreseen = needed(mine, ROWS * LENGTH, LENGTH, 0.5, "cpu")
    assert foreseen == pytest.approx(held_at_most(mine), rel=0.01)


@pytest.mark.parametrize("dtype", ["float32", "mixed"])
def test_a_long_model_is_foreseen_from_two_short_ones(
    dtype: str, plan: FitPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "llama", FAMILIES["llama"] | {"num_hidden_layers": 9})
    base = str(save_base(tmp_path / "base", "llama"))
    mine = replace(plan, base=base, batch_tokens=4096, dropout=0.0, dtype=dtype)
    assert needed(mine, ROWS * LENGTH, LENGTH, 0.5, "cpu") == pytest.approx(held_at_most(mine), rel=0.01)


def test_a_base_that_is_rounded_is_loaded_in_full_precision_before(
    plan: FitPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = FAMILIES["llama"] | {"num_hidden_layers": 40, "hidden_size": 256, "intermediate_size": 1024}
    monkeypatch.setitem(FAMILIES, "llama", deep)
    base = save_base(tmp_path / "base", "llama")
    mixed = replace(
        plan,
        base=str(base),
        batch_tokens=64,
        dropout=0.0,
        dtype="mixed",
        quantization="none",
        gradient_checkpointing=True,
    )
    loaded = 4 * count_weights(base)
    assert needed(mixed, 64, 32, 0.5, "cpu") == pytest.approx(loaded, rel=0.01)
    assert needed(replace(mixed, quantization="nf4"), 64, 32, 0.5, "cpu") < 0.7 * loaded
    monkeypatch.setattr(memory, "PROGRAMS", loaded)
    assert needed(mixed, 64, 32, 0.5, "cpu") > 1.5 * loaded


def test_a_base_that_is_shared_is_held_in_parts(
    plan: FitPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "llama", FAMILIES["llama"] | {"num_hidden_layers": 8})
    mine = replace(plan, base=str(save_base(tmp_path / "base", "llama")), dtype="bfloat16", processes=2)
    alone, shared = (needed(replace(mine, sharding=one), 256, 128, 0.5, "cuda") for one in (False, True))
    layers = 64 * (2 * 64 + 2 * 32) + 3 * 64 * 96  # weights, at half a byte
    norms = 2 * 64  # at two bytes
    gathered = 2 / 8
    assert alone - shared == pytest.approx(8 * (layers / 2 + 2 * norms) * (1 - 1 / 2 - gathered), rel=1e-3)


SHARE = 28 / 32  # of a row, learned


@pytest.fixture
def large(plan: FitPlan, monkeypatch: pytest.MonkeyPatch) -> FitPlan:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # for one lane
    return replace(plan, micro_tokens=0, batch_tokens=1024, dropout=0.0, longest=32)


def test_as_much_as_fits_goes_through_at_once(large: FitPlan) -> None:
    whole = settle(large, SHARE, "cpu", 10**10)
    assert (whole.micro_tokens, whole.gradient_checkpointing) == (1024, False)

    part = settle(large, SHARE, "cpu", int(0.6 * whole.needed / memory.USABLE))
    assert 32 <= part.micro_tokens < 700
    assert not part.gradient_checkpointing
    assert part.needed <= 0.6 * whole.needed < 1.1 * part.needed

    least = settle(replace(large, micro_tokens=32), SHARE, "cpu", 0).needed
    packed = settle(large, SHARE, "cpu", int(0.97 * least / memory.USABLE))
    assert (packed.packed, packed.gradient_checkpointing) == (True, False)
    assert packed.needed <= 0.97 * least

    least = settle(replace(large, micro_tokens=32, packed=True), SHARE, "cpu", 0).needed
    tight = settle(large, SHARE, "cpu", int(0.97 * least / memory.USABLE))
    assert (tight.packed, tight.gradient_checkpointing) == (True, True)
    assert tight.needed <= 0.97 * least


@pytest.mark.parametrize(
    ("method", "quantization", "cure"),
    [
        ("lora", "none", "Set model.quantization=nf4."),
        ("lora", "nf4", "Lower tokens"),
        ("full", "none", "Lower tokens"),
    ],
)
def test_what_cannot_fit_is_refused_before_it_begins(
    method: str, quantization: str, cure: str, large: FitPlan
) -> None:
    mine = replace(large, method=method, quantization=quantization)
    with pytest.raises(HardwareError, match=r"needs 0\.0 GiB for a row of 32 tokens, and cpu has") as refused:
        settle(mine, SHARE, "cpu", 1000)
    assert refused.value.cure.startswith(cure)


def test_a_prefix_is_never_made_to_fit_by_checkpointing(large: FitPlan) -> None:
    prefix = replace(large, method="prefix", packed=True)
    least = settle(replace(prefix, micro_tokens=32), SHARE, "cpu", 0).needed
    with pytest.raises(HardwareError):
        settle(prefix, SHARE, "cpu", int(0.97 * least / memory.USABLE))


def test_what_a_person_has_set_is_kept(large: FitPlan) -> None:
    room = settle(replace(large, micro_tokens=500), SHARE, "cpu", 1000)
    assert (room.micro_tokens, room.gradient_checkpointing) == (500, False)


def test_the_next_start_takes_the_same_pieces(large: FitPlan) -> None:
    assert room_of(large) is None
    Room(640, gradient_checkpointing=True, packed=True, needed=1, free=2).save(large)
    room = room_of(large)
    assert room is not None
    assert (room.of(large).micro_tokens, room.of(large).gradient_checkpointing) == (640, True)
    assert room_of(replace(large, identity="another")) is None


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
@pytest.mark.parametrize("family", FAMILIES)
def test_low_rank_layers_compute_what_those_of_peft_do(
    family: str, quantization: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for quick in (False, True):
        if not quick:
            monkeypatch.setattr("tasks.core.model.low_rank.quicken", lambda _adapted: None)
        model = model_of(family)
        unfuse_experts(model)
        quantize(model, quantization, double_quant=True, compute=torch.float32, device="cpu")
        model = attach(model, LoraSettings(method="rslora", rank=4, alpha=7), seed=0).train()
        torch.manual_seed(3)
        for weight in trainable_parameters(model).values():
            weight.data += 0.05 * torch.randn_like(weight)
        torch.manual_seed(4)  # of the base's own dropout
        logits = model(input_ids=torch.tensor([list(range(3, 40))]), use_cache=False).logits
        logits.square().mean().backward()
        found.append([logits.detach(), *(weight.grad for weight in trainable_parameters(model).values())])
        monkeypatch.undo()
    assert all(torch.allclose(one, other, rtol=1e-4, atol=1e-6) for one, other in zip(*found, strict=True))


def test_low_rank_layers_keep_what_they_are_given_once(plan: FitPlan) -> None:
    """In 16 bit, peft's own layers keep a copy of it in 32."""
    half = replace(plan, dtype="bfloat16", quantization="none", dropout=0.0, batch_tokens=4096)
    foreseen = needed(half, ROWS * LENGTH, LENGTH, 0.5, "cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.core.model.low_rank.quicken", lambda _adapted: None)
        assert needed(half, ROWS * LENGTH, LENGTH, 0.5, "cpu") > 1.2 * foreseen


@pytest.mark.parametrize(("free", "packed"), [(10**10, False), (10, True)])
def test_a_base_that_cannot_be_foreseen_is_unpacked_where_there_is_surely_room(
    free: int, packed: bool, plan: FitPlan, bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_a_loss(*_: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(memory, "settle", at_a_loss)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=free))
    mine = replace(plan, base=str(bases["llama"]))
    room = child._foreseen(mine, "cpu", free)
    assert (room.needed, room.packed) == (0, packed)
    kinds = {type(layer) for _, layer in linear_layers(adapted(room.of(mine), "cpu")[1])}
    assert (Linear4bit in kinds) == packed
    assert not child._foreseen(replace(mine, quantization="none"), "cpu", free).packed


def test_what_the_plan_unpacks_is_unpacked(
    plan: FitPlan, bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=10))
    _, model = adapted(replace(plan, base=str(bases["llama"])), "cpu")
    assert Linear4bit not in {type(layer) for _, layer in linear_layers(model)}
