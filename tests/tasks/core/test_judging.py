"""The gate tells the truth: scores are those of the rows, noise is not a gain, a hole is not a win."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.core.errors import ModelError
from tasks.core.judging.gate_rules import decide
from tasks.core.judging.generation import answer, answer_all
from tasks.core.judging.metrics import summarize
from tasks.core.judging.scoring import RowScore, read_scores, score_rows, write_scores
from tasks.core.judging.slices import SliceGain
from tasks.core.judging.statistics import Gain, paired_gain
from tasks.core.model.loading import load_base, load_tokenizer
from tasks.core.tokens.storing import TokenRow


def scores(
    gain: float, noise: float, rows: int = 200, groups: int = 50, seed: int = 1
) -> tuple[list[RowScore], list[RowScore]]:
    draw = np.random.default_rng(seed)
    rival = [RowScore(f"r{row}", f"g{row % groups}", float(20 + draw.normal()), 10, 3) for row in range(rows)]
    ours = [replace(one, loss_sum=one.loss_sum - 10 * (gain + noise * float(draw.normal()))) for one in rival]
    return ours, rival


def gain_of(gain: float, noise: float, **sizes: int) -> Gain:
    return paired_gain(*scores(gain, noise, **sizes), confidence=0.95)


def test_a_rows_score_does_not_depend_on_its_batch(tiny_base: Path) -> None:
    model = load_base(tiny_base, "nf4").model
    rows = [
        TokenRow(f"r{row}", "g", "en", "p", [3 + (row * 7 + at) % 200 for at in range(10 + 3 * row)], 4)
        for row in range(9)
    ]
    alone, together = score_rows(model, rows, 1, 2), score_rows(model, rows, 4000, 2)
    assert [score.row_id for score in together] == [row.row_id for row in rows]
    assert [score.tokens for score in together] == [len(row.ids) - 4 for row in rows]
    assert [score.loss_sum for score in alone] == pytest.approx(
        [score.loss_sum for score in together], abs=1e-3
    )


def test_a_score_is_the_loss_of_the_reply(tiny_base: Path) -> None:
    import torch

    model = load_base(tiny_base, "none").model
    ids = list(range(5, 45))
    (score,) = score_rows(model, [TokenRow("r", "g", "", "", ids, 11)], 4000, 2)
    labels = torch.tensor([[-100] * 11 + ids[11:]])
    expected = model(input_ids=torch.tensor([ids]), labels=labels).loss.item() * (len(ids) - 11)
    assert score.loss_sum == pytest.approx(expected, rel=1e-5)


def test_scores_survive_writing(tmp_path: Path) -> None:
    ours, _ = scores(0.1, 0.1, rows=5)
    write_scores(tmp_path / "s", ours)
    assert read_scores(tmp_path / "s") == ours


def test_metrics_are_by_token_and_a_hidden_nan_is_found() -> None:
    found = summarize([RowScore("a", "g", 6.0, 2, 1), RowScore("b", "g", 2.0, 6, 5)])
    assert (found["loss"], found["token_accuracy"], found["tokens"]) == (1.0, 0.75, 8)
    assert found["perplexity"] == pytest.approx(math.e)
    with pytest.raises(ModelError, match="cannot be computed"):
        summarize([RowScore("a", "g", float("nan"), 2, 1)])
    with pytest.raises(ModelError):
        summarize([])


def test_the_interval_holds_the_gain() -> None:
    found = gain_of(0.5, 0.3)
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(0.5, abs=0.1)
    assert (found.rows, found.groups) == (200, 50)


def test_the_interval_covers_as_often_as_it_says() -> None:
    hits = sum(
        found.low <= 0.0 <= found.high for found in (gain_of(0.0, 1.0, seed=seed) for seed in range(100))
    )
    assert 88 <= hits <= 100


def nothing_gained(requesters: int, sizes: str, tails: str, seed: int) -> Gain:
    """Compare two equally good models on requesters of their own opinions, who wrote as much as `sizes` says."""
    draw = np.random.default_rng([requesters, len(sizes), len(tails), seed])
    tokens = 80 * (np.exp(draw.normal(0, 1, requesters)) if sizes == "unequal" else np.ones(requesters))
    opinion = draw.normal(size=requesters) if tails == "normal" else draw.standard_t(3, size=requesters)
    noise = 2 * draw.normal(size=requesters) / np.sqrt(tokens)
    rival = [RowScore(f"r{one}", f"g{one}", 0.0, 1 + int(count), 0) for one, count in enumerate(tokens)]
    ours = [
        replace(one, loss_sum=one.tokens * (0.1 * opinion[row] + noise[row])) for row, one in enumerate(rival)
    ]
    return paired_gain(ours, rival, 0.95)


@pytest.mark.parametrize("tails", ["normal", "heavy"])
@pytest.mark.parametrize("sizes", ["equal", "unequal"])
@pytest.mark.parametrize("requesters", [2, 3, 5, 8, 20])
def test_nothing_gained_is_not_promoted_however_few_the_requesters(
    requesters: int, sizes: str, tails: str
) -> None:
    runs = 2000
    passed = sum(nothing_gained(requesters, sizes, tails, seed).low > 0 for seed in range(runs))
    assert passed <= 0.035 * runs


def test_a_real_gain_is_seen_with_a_handful_of_requesters() -> None:
    assert all(gain_of(0.3, 0.2, groups=5, seed=seed).low > 0 for seed in range(20))


def test_rows_of_one_requester_count_as_one_voice() -> None:
    many, few = gain_of(0.1, 0.3, groups=100), gain_of(0.1, 0.3, groups=4)
    assert few.groups == 4 < many.groups
    alone = gain_of(5.0, 0.1, groups=1)
    assert (alone.low, alone.high) == (-math.inf, math.inf)


def test_only_the_same_rows_can_be_compared() -> None:
    ours, rival = scores(0.5, 0.1)
    with pytest.raises(ValueError, match="same held-out rows"):
        paired_gain(ours[1:], rival, 0.95)
    with pytest.raises(ValueError, match="same held-out rows"):
        paired_gain([replace(ours[0], tokens=9), *ours[1:]], rival, 0.95)


GOOD, TIE, WORSE = Gain(0.5, 0.4, 0.6, 90, 30), Gain(0.0, -0.1, 0.1, 90, 30), Gain(-0.5, -0.6, -0.4, 90, 30)
NAN = Gain(math.nan, math.nan, math.nan, 90, 30)
CASES = [
    ({"base": GOOD}, "auto", "promote"),
    ({"base": GOOD, "champion": GOOD}, "auto", "promote"),
    ({"base": GOOD, "champion": TIE}, "auto", "keep"),
    ({"base": GOOD, "champion": WORSE}, "auto", "keep"),
    ({"base": TIE, "champion": GOOD}, "auto", "keep"),
    ({"base": NAN}, "auto", "keep"),
    ({"champion": GOOD}, "auto", "keep"),
    ({}, "auto", "keep"),
    ({"base": GOOD}, "ask", "ask"),
    ({"base": TIE}, "ask", "keep"),
    ({"base": GOOD}, "never", "keep"),
]


@pytest.mark.parametrize(("gains", "mode", "outcome"), CASES)
def test_the_gate_promotes_only_what_beats_everyone(gains: dict[str, Gain], mode: str, outcome: str) -> None:
    verdict = decide(gains, 0.0, mode)
    assert verdict.outcome == outcome
    assert verdict.reason.endswith(".")


def test_the_gate_wants_the_least_gain_excluded() -> None:
    assert decide({"base": GOOD}, 0.39, "auto").outcome == "promote"
    assert decide({"base": GOOD}, 0.4, "auto").outcome == "keep"


def test_one_that_is_worse_is_called_worse_and_all_that_speaks_against_it_is_named() -> None:
    fell = SliceGain("earlier rows", WORSE, fell=True)
    verdict = decide(
        {"base": TIE, "champion": WORSE}, 0.0, "auto", slices=[fell], objections=["the golden case a fails"]
    )
    assert verdict.reason == (
        "The gain over the base is not beyond noise: +0.000 nats per token, interval -0.100 to +0.100 (not above 0, "
        "30 requesters); it is worse than the champion: -0.500 nats per token, interval -0.600 to -0.400 (30 requesters); "
        "these slices fell: earlier rows -0.500 nats per token, interval -0.600 to -0.400; the golden case a fails."
    )
    assert decide({"base": WORSE}, 0.0, "auto").reason.startswith("It is worse than the base: -0.500")


def test_a_champion_that_cannot_be_scored_is_never_beaten() -> None:
    assert decide({"base": GOOD}, 0.0, "auto", unfit="It stands on another base.").outcome == "keep"


def test_replies_side_by_side_are_those_of_each_alone(tiny_base: Path) -> None:
    model, tokenizer = load_base(tiny_base, "nf4").model, load_tokenizer(tiny_base)
    prompts = [[5, 6, 7], list(range(20, 60)), [9] * 11, [5, 6]]
    alone = [answer(model, tokenizer, prompt, 8) for prompt in prompts]
    assert answer_all(model, tokenizer, prompts, 8, 10_000) == alone
    assert answer_all(model, tokenizer, prompts, 8, 1) == alone


def test_a_greedy_answer_is_the_same_twice(tiny_base: Path) -> None:
    model, tokenizer = load_base(tiny_base, "nf4").model, load_tokenizer(tiny_base)
    first = answer(model, tokenizer, [5, 6, 7], 8)
    assert first == answer(model, tokenizer, [5, 6, 7], 8)
    assert "</s>" not in first.text
