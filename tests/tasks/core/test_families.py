"""Every family in every quantization with every method: trained, kept, merged, and read by plain transformers."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_families import FAMILIES, model_of
from torch import nn

from tasks.core.errors import ModelError
from tasks.core.model.adapters import (
    attach,
    load_adapter,
    save_adapter,
    trainable_parameters,
)
from tasks.core.model.experts import unfuse_experts
from tasks.core.model.heads import labelled_loss, targets_of
from tasks.core.model.loading import load_base
from tasks.core.model.merge_proof import (
    ADAPTER,
    compare_logits,
    load_merged,
    reply_logits,
    trained_model,
)
from tasks.core.model.merging import save_merged
from tasks.core.model.methods import BESIDE, resolve_targets
from tasks.core.model.packed_weights import save_packed
from tasks.core.model.quantizing import hold_unpacked, linear_layers, quantize, quantized_layers
from tasks.core.settings import LoraSettings

ROWS = [(list(range(3, 40)), 9), (list(range(40, 70)), 4)]
METHODS = ("lora", "rslora", "dora", "pissa", "prefix", "prompt", "full")
WAYS = [(kind, method) for kind in ("nf4", "none") for method in METHODS]
POSSIBLE = [way for way in WAYS if way not in {("nf4", "pissa"), ("nf4", "full")}] + [("int8", "lora")]
RATES = {"prompt": 0.3, "prefix": 0.3}
LAYERS = {"mixtral": 2 * (4 + 4 * 2), "phi": 12, "gpt2": 8, "gpt_neox": 8, "falcon": 8, "falcon alibi": 8}
NOT_IN_BLOCKS = ("lm_head", "embed_out")


def trained(base: Path, quantization: Any, method: Any) -> tuple[Any, dict[str, torch.Tensor], list[float]]:
    """Train four steps on one row, and give the model, the adapter's first weights and the losses."""
    lora = LoraSettings(method=method, rank=4, alpha=8, virtual_tokens=5)
    model = attach(load_base(base, quantization).model, lora, seed=1)
    weights = trainable_parameters(model)
    first = {name: weight.detach().clone() for name, weight in weights.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=RATES.get(method, 1e-2))
    ids, prompt_length = torch.tensor([ROWS[0][0]]), ROWS[0][1]
    labels = ids.clone()
    labels[:, :prompt_length] = -100
    chosen, wanted = targets_of(labels)
    losses = []
    for _ in range(4):
        loss = labelled_loss(model, ids, chosen, wanted, torch.ones(len(wanted)), bare=False) / len(wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return model.eval(), first, losses


@pytest.mark.parametrize(("quantization", "method"), POSSIBLE)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_and_is_merged_into_an_ordinary_checkpoint(
    family: str, quantization: Any, method: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = bases[family]
    model, first, losses = trained(base, quantization, method)
    wanted = list(reply_logits(model, ROWS))
    assert losses[-1] < losses[0] - (
        0 if method in BESIDE else 0.1
    )  # a short window hardly sees virtual tokens
    inert = compare_logits(wanted, reply_logits(load_base(base, quantization).model, ROWS))
    assert inert.max_abs_diff > 0.01

    save_adapter(model, tmp_path / "adapter", "base-identity", first)
    loaded = load_adapter(load_base(base, quantization).model, tmp_path / "adapter")
    assert compare_logits(wanted, reply_logits(loaded, ROWS)).max_abs_diff < 2e-6

    held = trained_model(base, tmp_path / "adapter", quantization, double_quant=True, dtype="float32")
    before = list(reply_logits(held.adapted, ROWS))
    arithmetic = 0.15 if quantization == "int8" else 2e-6  # its activations are rounded to 8 bits
    assert compare_logits(wanted, before).max_abs_diff < arithmetic

    target = tmp_path / "merged"
    save_merged(base, held, tmp_path / "adapter", target)
    plain, told = AutoModelForCausalLM.from_pretrained(
        str(target), dtype=torch.float32, output_loading_info=True
    )
    assert not any(told.values())
    plain = PeftModel.from_pretrained(plain, str(target / ADAPTER)) if method in BESIDE else plain
    for again in (load_merged(target), plain.eval()):
        proof = compare_logits(before, reply_logits(again, ROWS))
        assert proof.max_abs_diff < 2e-6
        assert proof.kl < 1e-9
        assert proof.merged_loss == pytest.approx(proof.trained_loss, abs=1e-6)

    break_a_weight(target)
    assert compare_logits(before, reply_logits(load_merged(target), ROWS)).max_abs_diff > 0.05


def break_a_weight(folder: Path) -> None:
    """Damage a quarter of the largest weight of the first block of a saved model, as a wrong merge would."""
    tensors = load_file(folder / "model.safetensors")
    largest = max((name for name in tensors if ".0." in name), key=lambda name: tensors[name].numel())
    tensors[largest].view(-1)[: tensors[largest].numel() // 4] += 0.5
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_is_really_quantized(family: str, quantization: Any, bases: dict[str, Path]) -> None:
    model = load_base(bases[family], "none").model
    full = {name: weight.numel() for name, weight in model.named_parameters()}
    quantize(model, quantization, double_quant=True, compute=torch.float32, device="cpu")
    names, share = quantized_layers(model)
    assert len(names) == LAYERS.get(family, 14)
    assert share > 0.99
    assert load_base(bases[family], quantization).quantized == names
    held = sum(weight.nbytes for weight in model.parameters())
    layers = sum(full[f"{name}.weight"] for name in names)
    rest = sum(full.values()) - layers
    each = 0.5 if quantization == "nf4" else 1
    assert held == 4 * rest + each * layers


@pytest.mark.parametrize("family", FAMILIES)
def test_unpacked_layers_compute_what_packed_ones_do_bit_for_bit(family: str) -> None:
    ids, found = torch.tensor([ROWS[0][0]]), []
    for unpacked in (False, True):
        model = model_of(family).train()
        unfuse_experts(model)
        quantize(model, "nf4", double_quant=True, compute=torch.float32, device="cpu")
        if unpacked:
            hold_unpacked(model, torch.float32)
        assert (quantized_layers(model)[0] == ()) == unpacked
        inputs = model.get_input_embeddings()(ids).detach().requires_grad_()
        logits = model(inputs_embeds=inputs, use_cache=False).logits
        logits.square().sum().backward()
        found.append((logits.detach(), inputs.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_weights_come_back_bit_for_bit(family: str, bases: dict[str, Path], tmp_path: Path) -> None:
    fresh = load_base(bases[family], "nf4", packed=True)
    save_packed(fresh.model, tmp_path)
    shutil.copyfile(bases[family] / "config.json", tmp_path / "config.json")
    again = load_base(tmp_path, "nf4", packed=True)
    assert (again.quantized, again.quantized_share) == (fresh.quantized, fresh.quantized_share)
    assert compare_logits(reply_logits(fresh.model, ROWS), reply_logits(again.model, ROWS)).max_abs_diff == 0
    tied = fresh.model.get_output_embeddings().weight is fresh.model.get_input_embeddings().weight
    assert (again.model.get_output_embeddings().weight is again.model.get_input_embeddings().weight) == tied
    unpacked = load_base(tmp_path, "nf4").model
    assert compare_logits(reply_logits(fresh.model, ROWS), reply_logits(unpacked, ROWS)).max_abs_diff == 0


def test_packed_weights_of_another_base_are_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    save_packed(load_base(bases["llama"], "nf4", packed=True).model, tmp_path)
    shutil.copyfile(bases["gpt2"] / "config.json", tmp_path / "config.json")
    with pytest.raises(ModelError, match="not those of its configuration"):
        load_base(tmp_path, "nf4")


def test_a_model_that_stays_in_full_precision_is_refused() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.layer, self.head = nn.Embedding(9, 8), nn.Linear(8, 8), nn.Linear(8, 9)
            self.other = nn.Parameter(torch.zeros(8, 80))

        def get_input_embeddings(self) -> nn.Module:
            return self.embedding

        def get_output_embeddings(self) -> nn.Module:
            return self.head

    with pytest.raises(ModelError, match=r"only 1 layers \(9% of the layers' weights\)"):
        quantize(Odd(), "nf4", double_quant=True, compute=torch.float32, device="cpu")


def test_experts_as_layers_compute_the_same() -> None:
    model = model_of("mixtral")
    before = list(reply_logits(model, ROWS))
    unfuse_experts(model)
    assert compare_logits(before, reply_logits(model, ROWS)).max_abs_diff < 1e-6
    assert sum("expert_" in name for name, _ in linear_layers(model)) == 2 * 4 * 2


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_experts_that_no_token_reaches_get_gradients_of_zeros(
    quantization: Any, bases: dict[str, Path]
) -> None:
    model = load_base(bases["mixtral"], quantization, packed=True).model
    model = attach(model, LoraSettings(rank=2), seed=0)
    model(input_ids=torch.tensor([[3]]), use_cache=False).logits.sum().backward()
    gradients = {name: weight.grad for name, weight in trainable_parameters(model).items()}
    assert all(gradient is not None for gradient in gradients.values())
    assert sum(not gradient.any() for name, gradient in gradients.items() if "expert_" in name) > 8


def test_pissa_in_half_precision_is_refused(bases: dict[str, Path]) -> None:
    model = load_base(bases["llama"], "none", dtype="bfloat16").model
    with pytest.raises(ModelError, match="base is in bfloat16") as refused:
        attach(model, LoraSettings(method="pissa", rank=2), seed=0)
    assert "model.dtype=float32" in refused.value.cure


def test_experts_of_another_layout_are_refused() -> None:
    model = model_of("mixtral")
    experts = model.model.layers[0].mlp.experts
    experts.__class__ = type("OddExperts", (type(experts),), {})
    with pytest.raises(ModelError, match="OddExperts") as refused:
        unfuse_experts(model)
    assert "MixtralExperts" in refused.value.cure


@pytest.mark.parametrize(
    ("family", "attention"),
    [
        ("llama", ["q_proj", "k_proj", "v_proj", "o_proj"]),
        ("falcon", ["query_key_value", "dense"]),
        ("gpt_neox", ["query_key_value", "dense"]),
        ("gpt2", ["c_attn", "c_proj"]),
        ("phi", ["q_proj", "k_proj", "v_proj", "dense"]),
    ],
)
def test_attention_stands_for_the_layers_there_whatever_they_are_called(
    family: str, attention: list[str]
) -> None:
    model = model_of(family)
    found = resolve_targets(model, ["attention"])
    assert sorted(name.rsplit(".", 1)[-1] for name in found) == sorted(attention)
    reached = [
        name for name, _ in linear_layers(model) if any(name.endswith(f".{target}") for target in found)
    ]
    assert len(reached) == 2 * len(attention)
    assert not any("mlp" in name for name in reached)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_linear_leaves_out_the_head_alone(family: str) -> None:
    model = model_of(family)
    unfuse_experts(model)
    found = resolve_targets(model, ["all-linear"])
    assert not set(found) & set(NOT_IN_BLOCKS)
    assert all(name.rsplit(".", 1)[-1] in found for name, _ in linear_layers(model))


def test_a_head_that_shares_its_weights_is_refused() -> None:
    with pytest.raises(ModelError, match="shares its weights"):
        resolve_targets(model_of("llama"), ["lm_head"])
    assert resolve_targets(model_of("mistral"), ["lm_head", "q_proj"]) == ["lm_head", "q_proj"]


def test_each_target_must_fit() -> None:
    with pytest.raises(ModelError, match="v_project fit no layer") as refused:
        resolve_targets(model_of("llama"), ["q_proj", "v_project"])
    assert "v_proj" in refused.value.cure
