"""Ask the gate what it cannot know, many times: `python tests/benchmarks/gate_experiments.py ONE.jsonl OTHER.jsonl OUT.json`.

ONE and OTHER are the scores (`scores.jsonl` of two evaluations in a store) of two models on the same held-out rows, such as
two trainings that differ in their seed. Their row-by-row difference, with its mean taken out, is real noise between equals.
Each trial draws as many requesters as there are, with replacement, and asks for a verdict. A fifth of the rows drawn count
as not solved and the others as solved; as many requesters again, drawn by themselves, are the earlier rows.

- equals: nothing is added. Promoted at most 2.5 % of the time.
- a gain: 0.05 nats per token more on all rows, none of which fell. Promoted at least 90 % of the time.
- a fallen slice: that gain on the whole, but on a fifth of the requesters 0.3 nats per token less than on the others, which are
  as much better as it takes: only the slice can tell. Refused at least 95 % of the time.
- a fallen outcome: the same on the rows that are not solved, of whichever requester. Refused as often.
- fallen earlier rows: that gain on today's rows, and a loss of 0.2 on the earlier ones. Refused as often.
"""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from deployments.bench.machine import machine
from tasks.core.judging.gate_rules import decide
from tasks.core.judging.scoring import RowScore, read_scores
from tasks.core.judging.slices import slice_gains
from tasks.core.judging.statistics import paired_gain
from tasks.core.receipts import EARLIER
from tasks.core.settings import GateSettings

GAIN, LOSS, SHARE = 0.05, 0.3, 0.2
EARLIER_LOSS = 0.2
GATE = GateSettings()
PLANTED, UNSOLVED, SOLVED = "slice: planted", "outcome: not solved", "outcome: solved"
WHAT_FALLS = {
    "equals": "",
    "a gain": "",
    "a fallen slice": PLANTED,
    "a fallen outcome": UNSOLVED,
    "fallen earlier rows": EARLIER,
}


@dataclass(frozen=True)
class Pair:
    """One row drawn, scored by both models, with the slices that it is in."""

    ours: RowScore
    theirs: RowScore
    slices: frozenset[str]


@click.command()
@click.argument("one", type=click.Path(exists=True, path_type=Path))
@click.argument("other", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--trials", default=400, show_default=True)
def main(one: Path, other: Path, target: Path, trials: int) -> None:
    """Run the experiments and write how often the gate promoted."""
    left, right = _centred(read_scores(one), read_scores(other))
    promoted = {
        name: sum(
            _promoted(left, right, 0.0 if name == "equals" else GAIN, falls, seed) for seed in range(trials)
        )
        / trials
        for name, falls in WHAT_FALLS.items()
    }
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "trials": trials,
        "rows": len(left),
        "requesters": len({score.group for score in left}),
        "promoted": promoted,
    }
    target.write_text(json.dumps(result, indent=1), encoding="utf-8")
    for name, share in promoted.items():
        click.echo(f"{name:<20} promoted {100 * share:5.1f} %")


def _centred(left: Sequence[RowScore], right: Sequence[RowScore]) -> tuple[list[RowScore], list[RowScore]]:
    """Give the scores such that neither model is better on the whole."""
    theirs = {score.row_id: score for score in right}
    paired = [(score, theirs[score.row_id]) for score in left]
    mean = sum(b.loss_sum - a.loss_sum for a, b in paired) / sum(a.tokens for a, _ in paired)
    return [replace(a, loss_sum=a.loss_sum + mean * a.tokens) for a, _ in paired], [b for _, b in paired]


def _promoted(
    left: Sequence[RowScore], right: Sequence[RowScore], gain: float, falls: str, seed: int
) -> bool:
    draw = np.random.default_rng(seed)
    today = _changed(_drawn(left, right, draw, earlier=False), gain, falls)
    earlier = _drawn(left, right, draw, earlier=True)
    earlier = [_better(one, -EARLIER_LOSS if falls == EARLIER else 0.0) for one in earlier]
    ours, theirs = [one.ours for one in today], [one.theirs for one in today]
    slices = _gains(today, (PLANTED, UNSOLVED, SOLVED)) + _gains(earlier, (EARLIER,))
    gains = {"base": paired_gain(ours, theirs, GATE.confidence)}
    return decide(gains, GATE.min_gain, "auto", slices=slices).outcome == "promote"


def _gains(pairs: Sequence[Pair], names: Sequence[str]) -> list[Any]:
    ids = {name: frozenset(one.ours.row_id for one in pairs if name in one.slices) for name in names}
    ours, theirs = [one.ours for one in pairs], [one.theirs for one in pairs]
    return slice_gains(ours, theirs, ids, confidence=GATE.confidence, most=GATE.max_slice_loss)


def _drawn(
    left: Sequence[RowScore], right: Sequence[RowScore], draw: np.random.Generator, *, earlier: bool
) -> list[Pair]:
    """Draw as many requesters as there are, with all their rows."""
    of_group: dict[str, list[tuple[RowScore, RowScore]]] = defaultdict(list)
    for a, b in zip(left, right, strict=True):
        of_group[a.group].append((a, b))
    groups, drawn = sorted(of_group), list[Pair]()
    for number, group in enumerate(draw.choice(groups, len(groups))):
        for a, b in of_group[str(group)]:
            name = {"row_id": f"{number}/{a.row_id}", "group": str(number)}
            unsolved = draw.random() < SHARE
            slices = {UNSOLVED if unsolved else SOLVED, *([PLANTED] if number < SHARE * len(groups) else [])}
            kept = frozenset({EARLIER} if earlier else slices)
            drawn.append(Pair(replace(a, **name), replace(b, **name), kept))
    return drawn


def _changed(pairs: Sequence[Pair], gain: float, falls: str) -> list[Pair]:
    """Let our model be better by `gain` on the whole, and worse by `LOSS` in the slice that falls than elsewhere."""
    fallen = sum(one.ours.tokens for one in pairs if falls in one.slices)
    elsewhere = gain + LOSS * fallen / sum(one.ours.tokens for one in pairs)
    return [_better(one, elsewhere - (LOSS if falls in one.slices else 0.0)) for one in pairs]


def _better(one: Pair, better: float) -> Pair:
    return replace(one, ours=replace(one.ours, loss_sum=one.ours.loss_sum - better * one.ours.tokens))


if __name__ == "__main__":
    main()
