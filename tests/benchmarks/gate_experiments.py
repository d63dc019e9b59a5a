"""Ask the gate what it cannot know, many times: `python tests/benchmarks/gate_experiments.py ONE.jsonl OTHER.jsonl OUT.json`.

ONE and OTHER are the scores (`scores.jsonl` of two evaluations in a store) of two models on the same held-out rows, such as
two trainings that differ in their seed. Their row-by-row difference, with its mean taken out, is real noise between equals.
Each trial draws as many requesters as there are, with replacement, and asks for a verdict:

- equals: nothing is added. Promoted at most 2.5 % of the time.
- a gain: 0.05 nats per token more on all rows. Promoted at least 90 % of the time.
- a fallen slice: that gain, but 0.3 nats per token less on a fifth of the requesters. Refused at least 95 % of the time.
"""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from deployments.bench.machine import machine
from tasks.core.judging.gate_rules import decide
from tasks.core.judging.scoring import RowScore, read_scores
from tasks.core.judging.slices import slice_gains
from tasks.core.judging.statistics import paired_gain
from tasks.core.settings import GateSettings

GAIN, LOSS, SHARE = 0.05, 0.3, 0.2
GATE = GateSettings()


@click.command()
@click.argument("one", type=click.Path(exists=True, path_type=Path))
@click.argument("other", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--trials", default=400, show_default=True)
def main(one: Path, other: Path, target: Path, trials: int) -> None:
    """Run the experiments and write how often the gate promoted."""
    left, right = _centred(read_scores(one), read_scores(other))
    promoted = {
        name: sum(_promoted(left, right, gain, loss, seed) for seed in range(trials)) / trials
        for name, gain, loss in (("equals", 0.0, 0.0), ("a gain", GAIN, 0.0), ("a fallen slice", GAIN, LOSS))
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
        click.echo(f"{name:<16} promoted {100 * share:5.1f} %")


def _centred(left: Sequence[RowScore], right: Sequence[RowScore]) -> tuple[list[RowScore], list[RowScore]]:
    """Give the scores such that neither model is better on the whole."""
    theirs = {score.row_id: score for score in right}
    paired = [(score, theirs[score.row_id]) for score in left]
    mean = sum(b.loss_sum - a.loss_sum for a, b in paired) / sum(a.tokens for a, _ in paired)
    return [replace(a, loss_sum=a.loss_sum + mean * a.tokens) for a, _ in paired], [b for _, b in paired]


def _promoted(
    left: Sequence[RowScore], right: Sequence[RowScore], gain: float, loss: float, seed: int
) -> bool:
    draw = np.random.default_rng(seed)
    of_group: dict[str, list[tuple[RowScore, RowScore]]] = defaultdict(list)
    for a, b in zip(left, right, strict=True):
        of_group[a.group].append((a, b))
    groups = sorted(of_group)
    ours, theirs, sliced = list[RowScore](), list[RowScore](), set[str]()
    for number, group in enumerate(draw.choice(groups, len(groups))):
        falls = number < SHARE * len(groups)
        for a, b in of_group[str(group)]:
            better = gain - (loss if falls else 0.0)
            name = {"row_id": f"{number}/{a.row_id}", "group": str(number)}
            ours.append(replace(a, loss_sum=a.loss_sum - better * a.tokens, **name))
            theirs.append(replace(b, **name))
            if falls:
                sliced.add(name["row_id"])
    planted = {"slice: planted": frozenset(sliced)}
    slices = slice_gains(ours, theirs, planted, confidence=GATE.confidence, most=GATE.max_slice_loss)
    gains = {"base": paired_gain(ours, theirs, GATE.confidence)}
    verdict = decide(gains, GATE.min_gain, "auto", slices=slices)
    return verdict.outcome == "promote"


if __name__ == "__main__":
    main()
