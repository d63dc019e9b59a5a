"""Which version a training goes on from: the champion, or on the champion's own rows its parent, and only one that is fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.fitting.learned import save_learned
from tasks.core.receipts import Adapter, BaseModel, Parent, TokenRows, ValidExamples
from tasks.core.registry.client import open_registry
from tasks.core.settings import LoraSettings, ModelSettings, RegistrySettings
from tasks.core.store.artifacts import drafting
from tasks.core.store.digests import digest_files, digest_folder
from tasks.core.store.tombstones import add_tombstones

LORA = LoraSettings(rank=8, alpha=16)
Ask = Callable[..., Parent]


def trained(place: Path, name: str) -> Adapter:
    """Leave an adapter in the store, as a training does."""
    inputs = {"lora": LORA.in_key()}
    with drafting(place, "adapter_training", name, inputs) as draft:
        save_learned(draft.folder, ["a", "b"], None)
        (draft.folder / "weights").write_bytes(b"numbers")
        return draft.seal(Adapter, digest=name, adapter_digest=name, base_digest="b")


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Give the question, where version 2 is champion and went on from version 1; each has a dataset and an adapter of its own."""
    from tasks.parent_finding import find_parent

    client = open_registry(tmp_path)
    (tmp_path / "rows" / "tokenizer").mkdir(parents=True)
    (tmp_path / "rows" / "tokenizer" / "chat_template.jinja").write_text("a template")
    template = digest_files(digest_folder(tmp_path / "rows" / "tokenizer"))
    for number in (1, 2):
        trained(tmp_path, f"a{number}")
        tags = {
            "freshtune.base_digest": "b",
            "freshtune.tokenizer_digest": template,
            "freshtune.quantization": "nf4-double",
            "freshtune.content_key": f"c{number}",
            "freshtune.adapter_digest": f"a{number}",
            "freshtune.examples_digest": f"d{number}",
            **({"freshtune.parent": "1"} if number == 2 else {}),
        }
        client.register("m", client.start_run("experiment", "run", tags), "model", tags, "")
    client.set_alias("m", "champion", 2)

    def question(dataset: str, lora: LoraSettings = LORA, **model: Any) -> Parent:
        examples = ValidExamples(path="e", digest=dataset, shards=())
        rows, base = TokenRows(path="rows", digest="r"), BaseModel(path="b", digest="b", identity="b")
        found: Parent = find_parent.task.fn(
            tmp_path, examples, rows, base, ModelSettings(**model), lora, RegistrySettings(name="m")
        )
        return found

    return question


def test_on_new_rows_it_is_the_champion_and_on_its_own_the_one_before(ask: Ask, tmp_path: Path) -> None:
    new, same = ask("d3"), ask("d2")
    assert [(one.version, one.unfit) for one in (new, same)] == [(2, ""), (1, "")]
    assert new.adapter
    assert new.adapter.adapter_digest == "a2"
    assert new.adapter.folder(tmp_path).is_dir()
    open_registry(tmp_path).set_alias("m", "champion", 1)  # as a rollback does
    assert ask("d2").version == 1
    first = ask("d1")
    assert (first.adapter, first.as_before) == (None, True)
    assert "version 1, which is champion, on the same rows" in first.unfit


def test_what_is_not_fit_is_told(ask: Ask, tmp_path: Path) -> None:
    assert "quantized otherwise" in ask("d3", quantization="int8").unfit
    assert (
        ask("d3", LORA.model_copy(update={"rank": 4})).unfit
        == "the adapter of version 2 has lora.rank 8, not 4"
    )
    assert ask("d3", LORA.model_copy(update={"dropout": 0.1})).unfit == ""
    client = open_registry(tmp_path)
    client.drop_alias("m", "champion")
    assert ask("d3").unfit == "there is no champion yet"
    client.set_alias("m", "champion", 2)
    client.tag_version("m", 2, {"freshtune.parent": "7"})
    gone = "which the champion went on from, is not in the registry any more"
    assert ask("d2").unfit == f"version 7, {gone}"
    assert ask("d3").unfit == "version 2 went on from version 7, which is not in the registry any more"


@pytest.mark.parametrize("name", ["weights", "learned.arrow"])
def test_a_training_with_a_flipped_byte_is_not_gone_on_with(name: str, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "store" / "adapter_training" / "a2" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    told = ask("d3")
    assert told.adapter is None
    assert told.unfit.startswith("the training of version 2 is not whole in this store")
    assert ask("d2").adapter is not None


def test_nobody_goes_on_with_what_may_have_learned_from_somebody_forgotten(ask: Ask, tmp_path: Path) -> None:
    add_tombstones(tmp_path, [("requester", "ann")], [])
    assert ask("d3").unfit == (
        "somebody is forgotten, and whose rows version 2 has learned cannot be told any more"
    )
    add_tombstones(tmp_path, [("requester", "bob")], ["m/1"])
    assert ask("d3").unfit == "version 2 was trained on rows of somebody who is forgotten since"
