"""Merging file by file: what is not trained is copied, and nothing that is trained is lost."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_families import model_of

from tasks.core.errors import ModelError
from tasks.core.model.adapters import attach, save_adapter, trainable_parameters
from tasks.core.model.base_files import INDEX
from tasks.core.model.loading import load_base
from tasks.core.model.merge_proof import compare_logits, load_merged, reply_logits, trained_model
from tasks.core.model.merging import save_merged
from tasks.core.settings import LoraSettings

ROWS = [(list(range(3, 40)), 9), (list(range(40, 70)), 4)]


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a Mistral in bfloat16 as several files."""
    folder = tmp_path_factory.mktemp("sharded")
    model_of("mistral").bfloat16().save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("*.safetensors"))) > 3
    return folder


def adapter_on(base: Path, folder: Path, *targets: str) -> Path:
    model = attach(load_base(base, "none").model, LoraSettings(rank=4, targets=targets), seed=1)
    for weight in trainable_parameters(model).values():
        weight.data += 0.05 * torch.randn_like(weight)
    save_adapter(model, folder, "base-identity")
    return folder


def test_what_is_not_trained_is_copied_byte_for_byte(sharded: Path, tmp_path: Path) -> None:
    adapter = adapter_on(sharded, tmp_path / "adapter", "gate_proj")
    trained = trained_model(sharded, adapter, "none", double_quant=False, dtype="bfloat16")
    save_merged(sharded, trained, adapter, tmp_path / "merged")

    same = {
        path.name
        for path in sharded.glob("*.safetensors")
        if (tmp_path / "merged" / path.name).read_bytes() == path.read_bytes()
    }
    changed = {
        path.name
        for path in sharded.glob("*.safetensors")
        if any("gate_proj" in name for name in load_file(path))
    }
    assert same
    assert same.isdisjoint(changed)
    assert len(same) + len(changed) == len(list(sharded.glob("*.safetensors")))
    for name in changed:
        before, after = load_file(sharded / name), load_file(tmp_path / "merged" / name)
        assert before.keys() == after.keys()
        for tensor, value in before.items():
            assert ("gate_proj" in tensor) != torch.equal(value, after[tensor].to(value.dtype))
    assert (
        json.loads((tmp_path / "merged" / INDEX).read_bytes())["weight_map"]
        == (json.loads((sharded / INDEX).read_bytes())["weight_map"])
    )
    proof = compare_logits(
        reply_logits(trained.adapted, ROWS), reply_logits(load_merged(tmp_path / "merged"), ROWS)
    )
    assert proof.max_abs_diff < 2e-6


def test_a_base_in_more_precision_than_its_training_is_merged_as_it_was_held(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    base = bases["qwen2"]
    adapter = adapter_on(base, tmp_path / "adapter", "q_proj")
    trained = trained_model(base, adapter, "none", double_quant=False, dtype="bfloat16")
    said = list(reply_logits(trained.adapted, ROWS))
    for into_files, least, most in ((False, 0, 2e-6), (True, 1e-4, 1)):
        target = tmp_path / f"merged-{into_files}"
        save_merged(base, trained, adapter, target, into_files=into_files)
        proof = compare_logits(said, reply_logits(load_merged(target), ROWS))
        assert least <= proof.max_abs_diff < most


def test_a_head_that_is_stored_beside_the_weights_that_it_shares_is_left_out(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    base = shutil.copytree(bases["llama"], tmp_path / "base")
    tensors = load_file(base / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    model = attach(load_base(base, "none").model, LoraSettings(method="full"), seed=1)
    for weight in trainable_parameters(model).values():
        weight.data += 0.05 * torch.randn_like(weight)
    save_adapter(model, tmp_path / "adapter", "base-identity")

    trained = trained_model(base, tmp_path / "adapter", "none", double_quant=False, dtype="float32")
    save_merged(base, trained, tmp_path / "adapter", tmp_path / "merged")
    assert load_file(tmp_path / "merged" / "model.safetensors").keys() == (
        load_file(bases["llama"] / "model.safetensors").keys()
    )
    proof = compare_logits(
        reply_logits(trained.adapted, ROWS), reply_logits(load_merged(tmp_path / "merged"), ROWS)
    )
    assert proof.max_abs_diff < 2e-6


def test_a_trained_weight_that_no_file_holds_is_told(sharded: Path, tmp_path: Path) -> None:
    adapter = adapter_on(sharded, tmp_path / "adapter", "down_proj")
    trained = trained_model(sharded, adapter, "none", double_quant=False, dtype="bfloat16")
    base = shutil.copytree(sharded, tmp_path / "base")
    for path in base.glob("*.safetensors"):
        tensors = {name: value for name, value in load_file(path).items() if ".1.mlp.down" not in name}
        save_file(tensors, path)
    with pytest.raises(ModelError, match="1 weights that were trained are in no file of the base"):
        save_merged(base, trained, adapter, tmp_path / "merged")
