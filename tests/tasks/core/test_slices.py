"""Slices: what is better on the whole may be worse for some, and noise in a small slice is no reason."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.core.judging.gate_rules import decide
from tasks.core.judging.scoring import RowScore
from tasks.core.judging.slices import LEAST, slice_gains, slices_of
from tasks.core.judging.statistics import paired_gain
from tasks.core.tokens.storing import TokenRow

ROWS = [
    TokenRow(
        f"r{row}",
        f"g{row % 40}",
        "de" if row % 4 == 0 else "en",
        "",
        [0] * (600 if row % 5 == 0 else 90),
        4,
        1.0,
        "2026-07",
        ("", "solved", "not solved")[row % 3],
    )
    for row in range(200)
]


def scored(gain: float, german: float, seed: int = 1) -> tuple[list[RowScore], list[RowScore]]:
    """Score two models, of which ours gains so much on the whole and so much in German."""
    draw = np.random.default_rng(seed)
    rival = [RowScore(row.row_id, row.group, float(200 + 9 * draw.normal()), 100, 50) for row in ROWS]
    ours = [
        replace(
            one,
            loss_sum=one.loss_sum - 100 * ((german if row.language == "de" else gain) + 0.05 * draw.normal()),
        )
        for one, row in zip(rival, ROWS, strict=True)
    ]
    return ours, rival


def test_rows_are_sliced_by_what_is_known_of_them() -> None:
    found = slices_of(ROWS)
    assert list(found) == [
        "language: de",
        "language: en",
        "length: over 512 tokens",
        "length: up to 128 tokens",
        "outcome: not solved",
        "outcome: solved",
    ]  # all rows are of one month, and no product is known
    assert len(found["language: de"]) == 50
    assert len(found["outcome: solved"]) == 67
    assert found["language: de"] | found["language: en"] == {row.row_id for row in ROWS}


def test_a_slice_that_falls_keeps_a_better_model_out() -> None:
    ours, rival = scored(0.3, -0.3)
    gain = paired_gain(ours, rival, 0.95)
    slices = slice_gains(ours, rival, slices_of(ROWS), confidence=0.95, most=0.1)
    assert [one.name for one in slices if one.fell] == ["language: de"]
    verdict = decide({"base": gain}, 0.0, "auto", slices=slices)
    assert verdict.outcome == "keep"
    assert "these slices fell: language: de -0.3" in verdict.reason
    assert decide({"base": gain}, 0.0, "auto").outcome == "promote"


def test_a_slice_within_its_limit_or_within_noise_does_not() -> None:
    for german, most in ((-0.3, 0.4), (0.0, 0.0), (0.2, 0.0)):
        ours, rival = scored(0.3, german)
        slices = slice_gains(ours, rival, slices_of(ROWS), confidence=0.999, most=most)
        assert not any(one.fell for one in slices)


@pytest.mark.parametrize("requesters", [1, LEAST - 1, LEAST])
def test_few_requesters_decide_nothing(requesters: int) -> None:
    ours, rival = scored(0.3, -0.3)
    some = frozenset(f"r{4 * row}" for row in range(requesters))  # all of other requesters, and German
    slices = slice_gains(ours, rival, {"few": some}, confidence=0.95, most=0.1)
    assert [one.fell for one in slices] == ([] if requesters == 1 else [requesters == LEAST])


def test_figures_are_plain_values() -> None:
    ours, rival = scored(0.3, 0.3)
    (first, *_) = slice_gains(ours, rival, slices_of(ROWS), confidence=0.95, most=0.1)
    told = first.to_json()
    assert (told["slice"], told["rows"], told["groups"], told["fell"]) == ("language: de", 50, 10, False)
    assert told["low"] < told["mean"] < told["high"]
