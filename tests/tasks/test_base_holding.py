"""How a base is held is chosen by what it takes of the device, said, and the same for whoever asks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tasks import base_holding
from tasks.base_holding import held_by, settle_quantization
from tasks.core.errors import ModelError
from tasks.core.model.devices import total_memory
from tasks.core.model.holding import choose_quantization, count_weights, unquantized_bytes
from tasks.core.receipts import BaseModel
from tasks.core.settings import LoraSettings, ModelSettings, Settings, TrainingSettings
from tasks.journal import JOURNAL, Journal

GIB = 2**30
Held = Callable[..., tuple[str, list[str]]]


@pytest.mark.parametrize(
    ("billions", "itemsize", "gib", "held"),
    [
        (7.2, 2, 80, "none"),
        (7.2, 2, 24, "nf4"),
        (7.2, 4, 80, "none"),
        (13, 4, 80, "nf4"),
        (1.5, 2, 16, "none"),
    ],
)
def test_weights_are_rounded_where_they_would_take_more_than_half(
    billions: float, itemsize: int, gib: int, held: str
) -> None:
    taken = unquantized_bytes(round(billions * 1e9), itemsize, TrainingSettings())
    assert choose_quantization(taken, "lora", gib * GIB) == held
    assert choose_quantization(taken, "full", gib * GIB) == "none"


def test_a_base_that_is_shared_counts_by_its_part() -> None:
    shared = TrainingSettings(processes=4, sharding=True)
    assert unquantized_bytes(100, 2, shared) == 50
    assert unquantized_bytes(100, 2, TrainingSettings(processes=4)) == 200


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Say how a base of a million weights is held by settings where the device has so many MiB, and what the run says."""
    save_file({"weight": torch.zeros(1000, 1000)}, tmp_path / "model.safetensors")

    def settle(quantization: str, mib: int, method: str = "lora", path: str = ".") -> tuple[str, list[str]]:
        monkeypatch.setattr(base_holding, "total_memory", lambda _processes: mib * 2**20)
        base = BaseModel(path=path, digest="d", identity="i")
        model = ModelSettings.model_validate({"quantization": quantization, "dtype": "float32"})
        settings = Settings(model=model, lora=LoraSettings.model_validate({"method": method}))
        token = JOURNAL.set(followed := Journal())
        try:
            return settle_quantization(tmp_path, base, settings).model.held_as, followed.notes
        finally:
            JOURNAL.reset(token)

    return settle


def test_a_run_says_how_the_base_is_held_where_it_was_to_choose(held: Held) -> None:
    why = "in float32, its weights take 4 MiB of the device's"
    assert held("auto", 8) == (
        "none",
        [f"The base is held unquantized: {why} 8 MiB (model.quantization is auto)."],
    )
    assert held("auto", 7) == (
        "nf4",
        [f"The base is held in nf4: {why} 7 MiB (model.quantization is auto)."],
    )
    assert held("nf4", 1000) == ("nf4", [])
    assert held("int8", 1000) == ("int8", [])


@pytest.mark.parametrize("path", [".", "store/base_fetching/not-yet"])
@pytest.mark.parametrize("method", ["full", "pissa"])
def test_a_method_that_needs_weights_in_full_precision_gets_them(held: Held, method: str, path: str) -> None:
    chosen, (note,) = held("auto", 1, method, path)
    assert chosen == "none"
    assert f"{method} needs weights in full precision" in note


def test_a_base_that_is_not_here_yet_is_taken_for_one_in_4_bit(held: Held) -> None:
    chosen, (note,) = held("auto", 1000, path="store/base_fetching/not-yet")
    assert chosen == "nf4"
    assert "until its files are here" in note


def test_a_try_by_another_device_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_holding, "total_memory", lambda _processes: 24 * GIB + 5)
    assert held_by(Settings(model=ModelSettings(quantization="auto"))) == "24 GiB"
    assert held_by(Settings()) == ""


def test_only_the_files_of_the_base_itself_are_counted(tmp_path: Path) -> None:
    for name in ("model-1.safetensors", "model-2.safetensors", "consolidated.safetensors"):
        save_file({name: torch.zeros(10, 10)}, tmp_path / name)
    placed = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    assert count_weights(tmp_path) == 200
    (tmp_path / "model-2.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ModelError, match="cannot be read"):
        count_weights(tmp_path)


def test_nobody_holds_a_base_before_that_is_settled() -> None:
    with pytest.raises(ValueError, match="not settled"):
        _ = ModelSettings(quantization="auto").held_as


def test_the_memory_of_a_machine_is_what_its_container_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.core.model.devices.GPU_NODES", ())
    monkeypatch.setattr("tasks.core.model.devices.CONTAINER", tmp_path)
    whole = total_memory()
    (tmp_path / "memory.max").write_text("max\n")
    assert total_memory() == whole
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    assert (total_memory(), total_memory(4)) == (GIB, GIB // 4)
