"""The gate hears what a challenger has forgotten: rows that the logs have lost, and general text."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.judging.general_text import GENERAL, read_passages
from tasks.core.judging.golden_cases import GOLDEN
from tasks.core.judging.scoring import SCORES, RowScore, write_scores
from tasks.core.judging.slices import EARLIER_SCORES
from tasks.core.receipts import (
    EARLIER,
    Decision,
    EarlierScores,
    Evaluation,
    GeneralText,
    MergedModel,
    TokenRows,
)
from tasks.core.settings import GateSettings
from tasks.core.tokens.storing import HELD_OUT, TokenRow, save_token_rows

ROWS = [TokenRow(f"r{row}", f"g{row % 20}", "en", "p", [5, 6, 7, 1], 2) for row in range(80)]
PROSE, GATE = read_passages(), GateSettings()


def scores(names: Sequence[tuple[str, str]], loss: float, seed: int) -> list[RowScore]:
    draw = np.random.default_rng(seed)
    return [
        RowScore(name, group, 100 * (loss + 0.02 * float(draw.normal())), 100, 40) for name, group in names
    ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    (tmp_path / "rows").mkdir()
    save_token_rows(tmp_path / "rows" / HELD_OUT, ROWS)
    return tmp_path


def evaluation(place: Path, who: Any, loss: float, prose: Sequence[RowScore]) -> Evaluation:
    (place / who).mkdir(exist_ok=True)
    write_scores(place / who / SCORES, scores([(one.row_id, one.group) for one in ROWS], loss, seed=len(who)))
    write_scores(place / who / GENERAL, prose)
    (place / who / GOLDEN).write_text("")
    return Evaluation(path=who, digest=f"{who} {loss} {prose}", who=who, metrics={})


def judged(
    place: Path,
    *,
    forgets: float | None = None,
    no_earlier: str = "",
    unlearns: float = 0.0,
    gate: GateSettings = GATE,
    general: GeneralText = PROSE,
    requesters: int = 20,
) -> Decision:
    """Judge a challenger that is better on today's rows, and worse by so much on earlier ones and on general text."""
    from tasks.gating import judge_challenger

    prose = scores([(one.id, one.id) for one in general.passages], 3.0, seed=1)
    worse = [replace(one, loss_sum=one.loss_sum + unlearns * one.tokens) for one in prose]
    earlier = None
    if forgets is not None:
        (place / "earlier").mkdir(exist_ok=True)
        names = [(f"e{row}", f"h{row % requesters}") for row in range(60)]
        for who, loss in (("challenger", 2.0 + forgets), ("champion", 2.0)):
            write_scores(place / "earlier" / EARLIER_SCORES[who], scores(names, loss, seed=len(who)))
        counts = {"rows": 60, "requesters": requesters, "forgotten": 0}
        earlier = EarlierScores(path="earlier", digest=f"{forgets} {requesters}", counts=counts, metrics={})
    found: Decision = judge_challenger.task.fn(
        place,
        evaluation(place, "challenger", 1.0, worse),
        evaluation(place, "base", 3.0, prose),
        evaluation(place, "champion", 1.5, prose),
        TokenRows(path="rows", digest="rows"),
        MergedModel(path="m", digest="m", proof={}),
        gate,
        1,
        "",
        None,
        earlier,
        no_earlier,
        general,
    )
    return found


def test_a_challenger_that_has_forgotten_earlier_rows_is_kept_out(place: Path) -> None:
    decision = judged(place, forgets=0.3)
    assert decision.outcome == "keep"
    assert "these slices fell: earlier rows -0." in decision.reason
    assert decision.earlier == "60 rows of 20 requesters"
    told = json.loads((decision.folder(place) / "decision.json").read_bytes())
    (found,) = [one for one in told["slices"] if one["slice"] == EARLIER]
    assert (found["fell"], found["rows"], told["earlier"]) == (True, 60, decision.earlier)


@pytest.mark.parametrize("forgets", [-0.2, 0.0, 0.05])
def test_one_that_has_not_is_promoted(place: Path, forgets: float) -> None:
    decision = judged(place, forgets=forgets)
    assert decision.outcome == "promote"
    (found,) = [one for one in decision.slices if one["slice"] == EARLIER]
    assert found["mean"] == pytest.approx(-forgets, abs=0.02)


def test_one_requester_alone_decides_nothing_and_is_told(place: Path) -> None:
    decision = judged(place, forgets=0.3, requesters=1)
    assert (decision.outcome, decision.earlier) == ("promote", "60 rows of 1 requester")
    assert not any(one["slice"] == EARLIER for one in decision.slices)


def test_a_dataset_that_is_not_there_blocks_nothing_and_is_told(place: Path) -> None:
    decision = judged(place, no_earlier="not in this store")
    assert (decision.outcome, decision.earlier) == ("promote", "not in this store")


def test_a_challenger_that_has_unlearned_general_text_is_kept_out_where_there_is_a_limit(place: Path) -> None:
    decision = judged(place, unlearns=0.8)
    assert decision.outcome == "keep"
    assert "on general text" in decision.reason
    assert decision.general["fell"] == ["all", "de", "en"]
    shown = judged(place, unlearns=0.8, gate=GateSettings(max_general_loss=0.0))
    assert (shown.outcome, shown.general["fell"]) == ("promote", [])
    assert shown.general["mean"] == pytest.approx(-0.8)
    assert judged(place, unlearns=0.4).outcome == "promote"


def test_without_general_text_there_is_no_figure_of_it(place: Path) -> None:
    assert judged(place, general=GeneralText()).general == {}
