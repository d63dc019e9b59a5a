"""The merged model's digest is of the model; the proof beside it may be longer or shorter."""

from pathlib import Path

import pytest

from tasks.core.errors import ModelError
from tasks.core.model.adapters import attach, save_adapter, trainable_parameters
from tasks.core.model.loading import load_base
from tasks.core.receipts import Adapter, BaseModel, MergedModel, TokenRows
from tasks.core.settings import LoraSettings, ModelSettings

ROWS = [(list(range(3, 60)), 9), (list(range(100, 130)), 4)]


@pytest.fixture
def place(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import torch

    import tasks.lid
    import tasks.merging

    monkeypatch.setattr(tasks.lid, "create_markdown_artifact", lambda **_: None)
    monkeypatch.setattr(tasks.merging, "_examples", lambda _place, _rows, count: ROWS[:count])
    (tmp_path / "base").symlink_to(tiny_base)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "tokenizer").symlink_to(tiny_base)
    model = load_base(tiny_base, "nf4", dtype="float32").model
    adapted = attach(model, LoraSettings(rank=4, alpha=8), seed=1)
    torch.manual_seed(5)
    for weight in trainable_parameters(adapted).values():
        weight.data += 0.05 * torch.randn_like(weight)
    save_adapter(adapted, tmp_path / "adapter", "base-identity")
    return tmp_path


def merged(place: Path, rows: int, limit: float = 0.05) -> MergedModel:
    from tasks.merging import merge_adapter

    found: MergedModel = merge_adapter.task.fn(
        place,
        Adapter(path="adapter", digest="a", adapter_digest="a", base_digest="b"),
        BaseModel(path="base", digest="b", identity="b"),
        BaseModel(path="base", digest="b", identity="b"),
        TokenRows(path="rows", digest="r"),
        ModelSettings(dtype="float32"),
        rows,
        limit,
        0.99,
    )
    return found


def test_equal_weights_have_one_digest_however_long_the_proof(place: Path) -> None:
    short, long = merged(place, 1), merged(place, 2)
    assert short.proof["positions"] < long.proof["positions"]
    assert short.path != long.path
    assert short.digest == long.digest
    assert long.proof["merged_into"] == "dequantized NF4 base"
    assert long.proof["max_abs_diff"] < 1e-4


def test_the_weights_of_the_training_are_chosen_and_the_files_of_the_base_are_told(place: Path) -> None:
    proof = merged(place, 2).proof
    assert proof["merged_into"] == "dequantized NF4 base"
    assert proof["kl"] < 1e-9 < 1e-6 < proof["rejected"]["base"]["kl"]
    assert proof["merged_loss"] == pytest.approx(proof["trained_loss"], abs=1e-5)


def test_a_merge_that_is_not_proven_is_not_kept(place: Path) -> None:
    with pytest.raises(ModelError, match="is not the trained one"):
        merged(place, 2, limit=1e-12)
    assert not list((place / "store").glob("merging/*"))
