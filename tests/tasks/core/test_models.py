"""Bases, adapters and merges, with real 4-bit layers on a tiny Llama."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import ModelError
from tasks.core.model.adapters import adapter_digest, attach, load_adapter, save_adapter, trainable_parameters
from tasks.core.model.loading import check_base, load_base
from tasks.core.model.merge_proof import (
    compare_logits,
    load_merged,
    reply_logits,
    trained_model,
)
from tasks.core.model.merging import save_merged
from tasks.core.settings import LoraSettings

ROWS = [(list(range(3, 60)), 9), (list(range(100, 130)), 4)]


def adapted(base: Path, quantization: Any = "nf4", seed: int = 1, **changes: Any) -> Any:
    lora = LoraSettings(**{"rank": 4, "alpha": 8, **changes})
    return attach(load_base(base, quantization).model, lora, seed)


def moved(model: Any) -> Any:
    import torch

    torch.manual_seed(5)
    for weight in trainable_parameters(model).values():
        weight.data += 0.05 * torch.randn_like(weight)
    return model


@pytest.fixture(scope="module")
def adapter(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    save_adapter(moved(adapted(tiny_base)), folder, "base-identity")
    return folder


def test_every_layer_is_really_quantized(tiny_base: Path) -> None:
    loaded = load_base(tiny_base, "nf4")
    assert len(loaded.quantized) == 14
    assert loaded.quantized_share == 1.0
    assert load_base(tiny_base, "none").quantized == ()


@pytest.mark.parametrize("name", ["weights.bin", "code.py", "model.pt", "x.pkl"])
def test_a_base_with_files_that_run_code_is_refused(tiny_base: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    (tmp_path / "base" / name).write_bytes(b"x")
    with pytest.raises(ModelError, match="can run code"):
        check_base(tmp_path / "base")


def test_a_quantized_base_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    (tmp_path / "base" / "config.json").write_text(
        json.dumps({**config, "quantization_config": {"quant_method": "gptq"}})
    )
    with pytest.raises(ModelError, match=r"quantized already \(gptq\)"):
        check_base(tmp_path / "base")


def test_scoring_computes_what_training_computes(tiny_base: Path) -> None:
    import torch

    model = load_base(tiny_base, "nf4").model
    ids = torch.tensor([ROWS[0][0]])
    training = model.train()(input_ids=ids).logits
    with torch.inference_mode():
        scoring = model.eval()(input_ids=ids).logits
    assert (training - scoring).abs().max().item() < 1e-5


def test_the_seed_alone_decides_the_first_weights(tiny_base: Path) -> None:
    import torch

    one, same, other = (trainable_parameters(adapted(tiny_base, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", ["lora", "rslora", "dora"])
def test_trainable_parameters_are_as_many_as_the_layers_say(tiny_base: Path, method: str) -> None:
    counted = sum(
        weight.numel() for weight in trainable_parameters(adapted(tiny_base, method=method)).values()
    )
    sides = 2 * (4 * (64 + 64) + 3 * (64 + 128))
    outputs = 2 * (4 * 64 + 2 * 128 + 64)
    assert counted == 4 * sides + (outputs if method == "dora" else 0)


def test_targets_that_fit_nothing_are_refused_with_those_that_do(tiny_base: Path) -> None:
    with pytest.raises(ModelError, match="fit no layer") as caught:
        adapted(tiny_base, targets=["query"])
    assert "q_proj" in caught.value.cure


def test_an_adapter_comes_back_as_it_was(tiny_base: Path, adapter: Path) -> None:
    import torch

    loaded = load_adapter(load_base(tiny_base, "nf4").model, adapter)
    wanted = moved(adapted(tiny_base)).eval()
    ids = torch.tensor([ROWS[0][0]])
    with torch.inference_mode():
        assert torch.equal(loaded(input_ids=ids).logits, wanted(input_ids=ids).logits)


def test_the_digest_sees_weights_and_not_the_order_of_names(adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, tmp_path / "a")
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    config["target_modules"].reverse()
    (tmp_path / "a" / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": "elsewhere"})
    )
    assert adapter_digest(tmp_path / "a") == adapter_digest(adapter)
    weights = load_file(tmp_path / "a" / "adapter_model.safetensors")
    weights[min(weights)].view(-1)[0] += 1e-7
    save_file(weights, tmp_path / "a" / "adapter_model.safetensors")
    assert adapter_digest(tmp_path / "a") != adapter_digest(adapter)


def test_an_adapter_of_another_shape_is_refused(adapter: Path, tiny_base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, tmp_path / "a")
    weights = load_file(tmp_path / "a" / "adapter_model.safetensors")
    weights.pop(min(weights))
    save_file(weights, tmp_path / "a" / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="of 28 weights"):
        load_adapter(load_base(tiny_base, "nf4").model, tmp_path / "a")


def merge(base: Path, adapter: Path, target: Path, quantization: Any, dtype: str) -> list[Any]:
    """Merge as the step does; give the logits before."""
    trained = trained_model(base, adapter, quantization, double_quant=True, dtype=dtype)
    save_merged(base, trained, adapter, target)
    return list(reply_logits(trained.adapted, ROWS))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_merged_equals_trained_whatever_the_training_computes_in(
    quantization: Any, dtype: str, tiny_base: Path, adapter: Path, tmp_path: Path
) -> None:
    before = merge(tiny_base, adapter, tmp_path / "merged", quantization, dtype)
    proof = compare_logits(before, reply_logits(load_merged(tmp_path / "merged"), ROWS))
    assert proof.max_abs_diff < 1e-4
    assert proof.greedy_match == 1.0
    assert (proof.rows, proof.positions) == (2, (57 - 9) + (30 - 4))
    assert json.loads((tmp_path / "merged" / "config.json").read_bytes())["dtype"] == dtype


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_what_is_merged_into_is_what_the_training_computed_with(
    quantization: Any, tiny_base: Path, adapter: Path
) -> None:
    import torch

    model = trained_model(tiny_base, adapter, quantization, double_quant=True, dtype="float32").adapted
    trained = load_adapter(load_base(tiny_base, quantization, dtype="float32").model, adapter)
    proof = compare_logits(reply_logits(trained, ROWS), reply_logits(model, ROWS))
    assert proof.max_abs_diff < 1e-5
    assert next(model.parameters()).dtype == torch.float32


def test_int8_differs_from_its_weights_by_its_arithmetic_alone(tiny_base: Path, adapter: Path) -> None:
    trained = load_adapter(load_base(tiny_base, "int8", dtype="float32").model, adapter)
    logits = list(reply_logits(trained, ROWS))
    far = [
        compare_logits(
            logits,
            reply_logits(
                trained_model(tiny_base, adapter, kind, double_quant=True, dtype="float32").adapted, ROWS
            ),
        ).max_abs_diff
        for kind in ("int8", "nf4")
    ]
    assert far[0] < 0.2 * far[1]


def test_a_merge_into_other_weights_is_seen(tiny_base: Path, adapter: Path, tmp_path: Path) -> None:
    merge(tiny_base, adapter, tmp_path / "wrong", "none", "float32")
    trained = trained_model(tiny_base, adapter, "nf4", double_quant=True, dtype="float32").adapted
    proof = compare_logits(reply_logits(trained, ROWS), reply_logits(load_merged(tmp_path / "wrong"), ROWS))
    assert proof.max_abs_diff > 1e-3


@pytest.mark.parametrize("method", ["lora", "rslora", "dora"])
def test_every_method_is_saved_loaded_and_merged(method: str, tiny_base: Path, tmp_path: Path) -> None:
    wanted = moved(adapted(tiny_base, method=method)).eval()
    save_adapter(wanted, tmp_path / "adapter", "base-identity")
    loaded = load_adapter(load_base(tiny_base, "nf4").model, tmp_path / "adapter")
    proof = compare_logits(reply_logits(wanted, ROWS), reply_logits(loaded, ROWS))
    assert proof.max_abs_diff == 0.0
    before = merge(tiny_base, tmp_path / "adapter", tmp_path / "merged", "nf4", "float32")
    assert compare_logits(reply_logits(wanted, ROWS), before).max_abs_diff < 1e-4
    after = reply_logits(load_merged(tmp_path / "merged"), ROWS)
    assert compare_logits(before, after).max_abs_diff < 1e-4


def test_two_models_compared_side_by_side_leave_gradients_as_they_were(tiny_base: Path) -> None:
    import torch

    model = load_base(tiny_base, "none").model
    compare_logits(reply_logits(model, ROWS), reply_logits(model, ROWS))
    assert not torch.is_inference_mode_enabled()
    assert model(input_ids=torch.tensor([ROWS[0][0]])).logits.requires_grad
