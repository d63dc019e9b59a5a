"""Tasks of lm-eval are asked as they are written, of the very model that was trained; what cannot be asked is told first."""

import json
import math
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import SettingsError
from tasks.core.judging.harness import figures_of
from tasks.core.judging.scoring import score_rows
from tasks.core.model.adapters import attach, load_adapter, save_adapter
from tasks.core.model.loading import load_base, load_tokenizer
from tasks.core.receipts import Adapter, BaseModel, HarnessScores, HarnessTasks, TokenRows
from tasks.core.settings import EvaluationSettings, LogsSettings, LoraSettings, ModelSettings, Settings
from tasks.core.tokens.prompts import encode
from tasks.core.tokens.storing import TOKENIZER, TokenRow
from tasks.harness_reading import read_harness

with_extra = pytest.mark.skipif(find_spec("lm_eval") is None, reason="the extra lm-eval is not installed")
FACTS = [
    {"question": f"How many legs have {count} spiders?", "answer": f"They have {8 * count} legs."}
    for count in range(1, 6)
]
TASK = """
task: spiders
dataset_path: json
dataset_kwargs: {data_files: {test: facts.jsonl}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{question}}"
doc_to_target: " {{answer}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
"""


def own_task(folder: Path, text: str = TASK, facts: list[dict[str, str]] = FACTS) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in facts))
    (folder / "spiders.yaml").write_text(text)
    return str(folder / "spiders.yaml")


@pytest.fixture
def place(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    (tmp_path / "base").symlink_to(tiny_base)
    load_tokenizer(tiny_base).save_pretrained(tmp_path / "rows" / TOKENIZER)
    return tmp_path


def trained(place: Path, method: Any) -> tuple[Any, Adapter]:
    import torch

    torch.manual_seed(1)
    model = attach(
        load_base(place / "base", "none", dtype="float32").model,
        LoraSettings(method=method, rank=2, virtual_tokens=5),
        seed=3,
    )
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn_like(weight) if weight.requires_grad else 0
    save_adapter(model, place / "adapter", "b")
    loaded = load_adapter(load_base(place / "base", "none", dtype="float32").model, place / "adapter")
    return loaded, Adapter(path="adapter", digest="a", adapter_digest="a", base_digest="b")


def asked(place: Path, adapter: Adapter | None, limit: int) -> dict[str, float]:
    from tasks.harness_evaluation import ask_harness

    found: HarnessScores = ask_harness.task.fn(
        place,
        "challenger" if adapter else "base",
        TokenRows(path="rows", digest="r"),
        BaseModel(path="base", digest="b", identity="b"),
        adapter,
        ModelSettings(dtype="float32", quantization="none"),
        read_harness((own_task(place / "tasks"),)),
        limit,
    )
    assert json.loads((found.folder(place) / "figures.json").read_bytes()) == found.metrics
    return found.metrics


def expected(model: Any, tokenizer: Any, count: int) -> float:
    """Give the same perplexity by our own scoring."""
    rows = []
    for one in FACTS[:count]:
        before = len(encode(tokenizer, one["question"]))
        whole = encode(tokenizer, f"{one['question']} {one['answer']}")
        rows.append(TokenRow("r", "g", "", "", whole, before))
    losses = [score.loss_sum for score in score_rows(model, rows, 4096, tokenizer.pad_token_id)]
    return math.exp(sum(losses) / len(losses))


@with_extra
@pytest.mark.parametrize("method", ["", "lora", "prefix", "prompt"])
def test_a_task_of_ones_own_is_asked_offline_of_the_trained_model(
    method: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("something asked the network"))
    model, adapter = (
        trained(place, method) if method else (load_base(place / "base", "none", dtype="float32").model, None)
    )
    tokenizer = load_tokenizer(place / "base")
    found = asked(place, adapter, 0)
    assert found == {"spiders/perplexity": pytest.approx(expected(model, tokenizer, 5), rel=1e-3)}
    assert asked(place, adapter, 2)["spiders/perplexity"] == pytest.approx(
        expected(model, tokenizer, 2), rel=1e-3
    )


def test_without_the_extra_the_cure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(SettingsError, match="lm-eval is not installed") as told:
        read_harness((own_task(tmp_path),))
    assert "pip install 'freshtune[lm-eval]'" in told.value.cure
    assert read_harness(()) == HarnessTasks()


@with_extra
def test_an_unknown_task_is_told_by_name() -> None:
    with pytest.raises(SettingsError, match=r"lm-eval has no task hellaswagg\.") as refused:
        read_harness(("hellaswagg", "hellaswag"))
    assert str(refused.value).count("no task") == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("task: spiders", "include: other.yaml\ntask: spiders", "includes another file"),
        ("{data_files:", "{trust_remote_code: true, data_files:", "asks to run code of others"),
        ('" {{answer}}"', "!function code.answer", "cannot be read"),
        ("facts.jsonl", "nowhere.jsonl", r"data that is not there: nowhere\.jsonl"),
        ("output_type: loglikelihood", "", "is no task"),
        ('doc_to_text: "{{question}}"', "", "has no doc_to_text"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_starts(
    old: str, new: str, told: str, tmp_path: Path
) -> None:
    path = own_task(tmp_path, TASK.replace(old, new))
    with pytest.raises(SettingsError, match=told) as refused:
        read_harness((path, str(tmp_path / "absent.yaml")))
    assert "absent.yaml is not a file" in str(refused.value)  # all mistakes at once


@with_extra
def test_a_tasks_words_and_data_are_in_the_key_and_its_place_is_not(tmp_path: Path) -> None:
    one = read_harness((own_task(tmp_path / "one"),))
    assert read_harness((own_task(tmp_path / "two"),)).in_key() == one.in_key()
    for changed in (
        own_task(tmp_path / "one", facts=FACTS[1:]),
        own_task(tmp_path / "two", TASK + "num_fewshot: 1\n"),
    ):
        assert read_harness((changed,)).in_key() != one.in_key()
    assert str(tmp_path) not in json.dumps(one.in_key())


def test_figures_are_named_by_task_and_metric() -> None:
    found = figures_of(
        {
            "a": {"alias": "a", "acc,none": 0.5, "acc_stderr,none": "N/A", "sample_len": 2},
            "b": {"em,strict": 1, "em_stderr,strict": 0.1},
        }
    )
    assert found == {"a/acc": 0.5, "b/em (strict)": 1.0}


def test_tasks_are_looked_at_before_a_run_begins(tmp_path: Path, tiny_base: Path) -> None:
    from flows.preflight import look_first

    (tmp_path / "logs.jsonl").write_text("{}\n")
    settings = Settings(
        workspace=tmp_path,
        logs=LogsSettings(paths=(str(tmp_path / "logs.jsonl"),)),
        model=ModelSettings(base=str(tiny_base)),
        evaluation=EvaluationSettings(harness=(str(tmp_path / "absent.yaml"),)),
    )
    with pytest.raises(SettingsError, match=r"absent\.yaml is not a file"):
        look_first(settings, with_base=True)
    look_first(settings, with_base=False)  # a check of the data asks nobody
