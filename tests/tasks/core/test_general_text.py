"""General text tells what a model has unlearned: beyond its limit and beyond noise, and only where a limit is set."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.core.errors import ModelError
from tasks.core.judging.gate_rules import decide
from tasks.core.judging.general_text import (
    MOST,
    general_figures,
    general_gain,
    general_objections,
    passage_rows,
    read_passages,
)
from tasks.core.judging.scoring import RowScore
from tasks.core.judging.statistics import Gain
from tasks.core.model.loading import load_tokenizer

LANGUAGES = {f"p{one}": "en" if one % 2 else "de" for one in range(40)}
GOOD = Gain(0.5, 0.4, 0.6, 90, 30)


def scores(loss: float, noise: float = 0.02) -> tuple[list[RowScore], list[RowScore]]:
    """Score a challenger that loses so much, and the base."""
    draw = np.random.default_rng(1)
    base = [RowScore(f"p{one}", f"p{one}", float(300 + 20 * draw.normal()), 100, 40) for one in range(40)]
    ours = [replace(one, loss_sum=one.loss_sum + 100 * (loss + noise * float(draw.normal()))) for one in base]
    return ours, base


def test_the_passages_are_short_and_of_both_languages() -> None:
    passages = read_passages().passages
    assert Counter(one.language for one in passages) == {"en": 20, "de": 20}
    assert len({one.id for one in passages}) == len({one.text for one in passages}) == 40
    assert all(60 <= len(one.text.split()) <= 120 for one in passages)


def test_a_passage_begins_as_the_tokenizer_begins_a_text_and_fits_the_base(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    passages = read_passages().passages[:3]
    whole = passage_rows(tokenizer, passages, None)
    cut = passage_rows(tokenizer, passages, 256)
    assert [len(row.ids) for row in cut] == [128] * 3
    assert all(
        len(row.ids) <= MOST and row.ids[:128] == short.ids for row, short in zip(whole, cut, strict=True)
    )
    assert tokenizer.decode(cut[0].ids) == passages[0].text[: len(tokenizer.decode(cut[0].ids))]

    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    (opened, *_) = passage_rows(tokenizer, passages, 256)
    assert opened.ids == [0, *cut[0].ids[:127]]


@pytest.mark.parametrize(
    ("loss", "noise", "most", "fell"),
    [
        (0.6, 0.02, 0.5, True),
        (0.4, 0.02, 0.5, False),
        (-0.6, 0.02, 0.5, False),
        (0.6, 4.0, 0.5, False),  # not beyond noise
        (0.6, 0.02, 0.0, False),  # off
    ],
)
def test_general_text_falls_beyond_its_limit_and_noise(
    loss: float, noise: float, most: float, fell: bool
) -> None:
    found = general_gain(*scores(loss, noise), LANGUAGES, confidence=0.95, most=most)
    assert found is not None
    assert found.fell == (("all", "de", "en") if fell else ())
    told = found.to_json()
    assert (told["rows"], told["languages"]["de"]["rows"]) == (40, 20)
    assert told["mean"] == pytest.approx(-loss, abs=0.02 if noise < 1 else 2)
    verdict = decide({"base": GOOD}, 0.0, "auto", objections=general_objections(found, most))
    assert verdict.outcome == ("keep" if fell else "promote")
    assert ("worse than the base by more than gate.max_general_loss (0.5): -0." in verdict.reason) == fell


def test_what_one_language_gains_does_not_hide_what_another_loses() -> None:
    ours, base = scores(0.0)
    ours = [
        replace(one, loss_sum=one.loss_sum + (90 if LANGUAGES[one.row_id] == "en" else -90)) for one in ours
    ]
    found = general_gain(ours, base, LANGUAGES, confidence=0.95, most=0.5)
    assert found is not None
    assert found.fell == ("en",)
    (said,) = general_objections(found, 0.5)
    assert said.startswith(
        "on general text (en) it is worse than the base by more than gate.max_general_loss (0.5): -0."
    )


def test_without_passages_nothing_is_told() -> None:
    assert general_figures([]) == {}
    assert general_gain([], [], {}, confidence=0.95, most=0.5) is None
    assert general_objections(None, 0.5) == []


def test_a_loss_that_is_no_number_is_no_figure() -> None:
    with pytest.raises(ModelError, match="general text's loss cannot be computed"):
        general_figures([RowScore("p", "p", float("nan"), 5, 0)])
