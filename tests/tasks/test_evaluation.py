"""Every model that is judged answers the golden cases and foresees general text; what they say is in the key of the step."""

import json
from pathlib import Path
from typing import Any

import pytest

from expectations.suites import read_suite
from tasks.core.errors import ModelError, SettingsError
from tasks.core.judging.general_text import GENERAL, passage_rows, read_passages
from tasks.core.judging.generation import answer
from tasks.core.judging.golden_cases import GOLDEN, read_results
from tasks.core.judging.scoring import read_scores
from tasks.core.model.adapters import attach, load_adapter, save_adapter
from tasks.core.model.loading import load_base, load_tokenizer
from tasks.core.receipts import Adapter, BaseModel, Evaluation, GeneralText, GoldenCases, SuiteText, TokenRows
from tasks.core.settings import EvaluationSettings, LogsSettings, LoraSettings, ModelSettings, Settings
from tasks.core.store.rows import read_rows
from tasks.core.tokens.prompts import encode, render_prompt, template_source, with_template
from tasks.core.tokens.storing import HELD_OUT, TOKENIZER, TokenRow, save_token_rows

QUESTION = "How do I reset it?"
PROSE = GeneralText(passages=read_passages().passages[::20])


@pytest.fixture
def place(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import tasks.lid

    monkeypatch.setattr(tasks.lid, "create_markdown_artifact", lambda **_: None)
    (tmp_path / "base").symlink_to(tiny_base)
    tokenizer = load_tokenizer(tiny_base)
    with_template(tokenizer, template_source("instruction", tokenizer))
    tokenizer.save_pretrained(tmp_path / "rows" / TOKENIZER)
    prompt = encode(tokenizer, render_prompt(tokenizer, "Does it start?"))
    rows = [TokenRow(f"r{at}", f"g{at}", "en", "p", [*prompt, 7 + at, 1], len(prompt)) for at in range(3)]
    save_token_rows(tmp_path / "rows" / HELD_OUT, rows)
    return tmp_path


def cases(*more: dict[str, Any]) -> GoldenCases:
    return GoldenCases.model_validate(
        {"cases": [{"id": "reset", "question": QUESTION, "must": ["menu"]}, *more]}
    )


def values(golden: GoldenCases, evaluation: EvaluationSettings) -> dict[str, Any]:
    return {
        "who": "base",
        "rows": TokenRows(path="rows", digest="r"),
        "base": BaseModel(path="base", digest="b", identity="b"),
        "adapter": None,
        "model": ModelSettings(dtype="float32", quantization="none"),
        "evaluation": evaluation,
        "suite": SuiteText(name="predictions", text=read_suite("predictions")),
        "golden": golden,
        "general": PROSE,
    }


def evaluated(place: Path, golden: GoldenCases, adapter: Adapter | None = None) -> Evaluation:
    from tasks.evaluation import evaluate_model

    evaluation = EvaluationSettings(max_new_tokens=6, generated=2, replies=1)
    found: Evaluation = evaluate_model.task.fn(place, **values(golden, evaluation) | {"adapter": adapter})
    return found


def test_a_model_answers_golden_cases_as_it_would_a_person(place: Path) -> None:
    golden = cases({"id": "silent", "question": "Does it start?", "must_not": ["zzzz"], "critical": True})
    receipt = evaluated(place, golden)
    first, second = read_results(receipt.folder(place) / GOLDEN)
    assert (
        len(read_rows(receipt.folder(place) / "replies.jsonl")) == 2
    )  # a judge may read what people are not shown

    model, tokenizer = (
        load_base(place / "base", "none", dtype="float32").model,
        load_tokenizer(place / "rows" / TOKENIZER),
    )
    alone = answer(model, tokenizer, encode(tokenizer, render_prompt(tokenizer, QUESTION)), 6)
    assert (first.id, first.reply, first.stopped) == ("reset", alone.text, alone.stopped)
    assert (first.failed, second.failed) == ({"must 1": "menu"}, {})
    assert (receipt.metrics["golden_passed"], receipt.metrics["golden_cases"]) == (1, 2)
    shown = json.dumps(receipt.model_dump(mode="json"))
    assert QUESTION not in shown
    assert "menu" not in shown


def test_without_cases_there_are_no_figures_of_them(place: Path) -> None:
    receipt = evaluated(place, GoldenCases())
    assert read_results(receipt.folder(place) / GOLDEN) == []
    assert "golden_cases" not in receipt.metrics


@pytest.mark.parametrize("method", ["", "lora", "prefix", "prompt"])
def test_general_text_is_foreseen_token_by_token_also_behind_virtual_ones(method: str, place: Path) -> None:
    import torch

    model, adapter = load_base(place / "base", "none", dtype="float32").model, None
    if method:
        lora = LoraSettings(method=method, rank=2, virtual_tokens=5)  # type: ignore[arg-type]
        torch.manual_seed(1)
        trained = attach(model, lora, seed=3)
        for weight in trained.parameters():
            weight.data += 0.05 * torch.randn_like(weight) if weight.requires_grad else 0
        save_adapter(trained, place / "adapter", "b")
        adapter = Adapter(path="adapter", digest="a", adapter_digest="a", base_digest="b")
        model = load_adapter(load_base(place / "base", "none", dtype="float32").model, place / "adapter")
    receipt = evaluated(place, GoldenCases(), adapter)

    rows = passage_rows(load_tokenizer(place / "rows" / TOKENIZER), PROSE.passages, 256)
    scores = read_scores(receipt.folder(place) / GENERAL)
    for row, score in zip(rows, scores, strict=True):
        ids = torch.tensor([row.ids])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, -ids.shape[1] :][:-1]
        expected = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        assert score.loss_sum == pytest.approx(expected, rel=1e-4)
        assert (score.row_id, score.tokens) == (row.row_id, len(row.ids) - 1)
    total = sum(score.loss_sum for score in scores) / sum(score.tokens for score in scores)
    assert receipt.metrics["general_loss"] == pytest.approx(total)


def test_what_is_foreseen_is_in_the_key() -> None:
    from tasks.evaluation import evaluate_model

    def key(general: GeneralText) -> str:
        return evaluate_model.lid.key(values(cases(), EvaluationSettings()) | {"general": general})

    assert key(PROSE) == key(GeneralText(passages=PROSE.passages))
    assert key(PROSE) != key(GeneralText(passages=PROSE.passages[:1]))


def test_a_case_that_is_too_long_for_the_base_is_named(place: Path) -> None:
    with pytest.raises(ModelError, match=r"Golden case long has [\d,]+ tokens") as refused:
        evaluated(place, cases({"id": "long", "question": "zq " * 400, "must": ["a"]}))
    assert "zq" not in str(refused.value)


def test_what_cases_say_is_in_the_key_and_where_they_lie_is_not() -> None:
    from tasks.evaluation import evaluate_model

    def key(golden: GoldenCases, path: str) -> str:
        return evaluate_model.lid.key(values(golden, EvaluationSettings(golden=path)))

    assert key(cases(), "/one.yaml") == key(cases(), "/other.yaml")
    assert key(cases(), "/one.yaml") != key(GoldenCases(), "/one.yaml")


def test_a_bad_file_is_told_before_anything_starts(tmp_path: Path, tiny_base: Path) -> None:
    from flows.preflight import look_first

    (tmp_path / "logs.jsonl").write_text("{}\n")
    (tmp_path / "golden.yaml").write_text("- {id: a, question: q, must: []}")
    settings = Settings(
        workspace=tmp_path,
        logs=LogsSettings(paths=(str(tmp_path / "logs.jsonl"),)),
        model=ModelSettings(base=str(tiny_base)),
        evaluation=EvaluationSettings(golden=str(tmp_path / "golden.yaml")),
    )
    with pytest.raises(SettingsError, match=r"case 1 \(a\)"):
        look_first(settings, with_base=True)
    look_first(settings, with_base=False)  # a check of the data asks nobody
