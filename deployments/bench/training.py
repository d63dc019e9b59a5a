"""Training, measured against peers: the same base, rows, adapter and optimizer steps, in one process, in turns.

Tokens are real ones, without padding. Beside each speed stand the held-out loss that it bought and the speed of a matrix
product timed just before, in the type that the recipe multiplies in, which tells how quiet the machine was.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deployments.bench.machine import machine
from deployments.bench.ours import ours
from deployments.bench.peers import IN_BFLOAT16, peers
from deployments.bench.workload import (
    VOCABULARY,
    Recipe,
    Row,
    Shape,
    Work,
    held_out_loss,
    make_base,
    make_rows,
)
from tasks.core.model.devices import multiplies_bfloat16

Measured = dict[str, Any]
SMALL, LARGE = Shape(256, 4, 688), Shape(512, 3, 1376)
ROWS, HELD_OUT = 256, 64
OURS, UNQUANTIZED, WHOLE = "freshtune", "freshtune, unquantized", "freshtune, in float32"
LARGER, LARGER_WHOLE = "freshtune, 11.6 M weights", "the same, in float32"
QUIET = {
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}


class Entry(NamedTuple):
    """A way to train, on what, and the type that it multiplies in."""

    recipe: Recipe
    work: Work
    shape: Shape
    multiplies_in: str


def measure_training(rounds: int) -> Measured:
    """Train with every recipe in turn, `rounds` times."""
    os.environ.update(QUIET)
    rows, held_out = make_rows(ROWS, seed=1), make_rows(HELD_OUT, seed=2)
    with tempfile.TemporaryDirectory(prefix="freshtune-bench-") as folder:
        small, large = (
            make_base(Path(folder) / name, shape) for name, shape in (("small", SMALL), ("large", LARGE))
        )
        work, more = (Work(base, rows, Path(folder)) for base in (small, large))
        quick = "bfloat16" if multiplies_bfloat16() else "float32"
        entries = {
            OURS: Entry(ours("nf4"), work, SMALL, quick),
            **{
                name: Entry(recipe, work, SMALL, "bfloat16" if name in IN_BFLOAT16 else "float32")
                for name, recipe in peers().items()
            },
            UNQUANTIZED: Entry(ours("none"), work, SMALL, quick),
            WHOLE: Entry(ours("nf4", dtype="float32"), work, SMALL, "float32"),
            LARGER: Entry(ours("nf4"), more, LARGE, quick),
            LARGER_WHOLE: Entry(ours("nf4", dtype="float32"), more, LARGE, "float32"),
        }
        measured = [
            _measured(name, entry, held_out) for _ in range(rounds) for name, entry in entries.items()
        ]
    return {"machine": machine(), "tokens": sum(len(row.ids) for row in rows), "measured": measured}


def _measured(name: str, entry: Entry, held_out: Sequence[Row]) -> Measured:
    product = _product_speed(entry.shape, entry.multiplies_in)
    seconds, model = entry.recipe(entry.work)
    return {
        "recipe": name,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(entry.work.tokens / seconds, 1),
        "held_out_loss": round(held_out_loss(model, held_out), 4),
        "multiplies_in": entry.multiplies_in,
        "matrix_product_gflops": round(product, 1),
        "share_of_product": round(_flops(entry.work.rows, entry.shape) / seconds / 1e9 / product, 3),
    }


def _flops(rows: Sequence[Row], shape: Shape) -> float:
    """Count the arithmetic of training: 4 a weight and token in the blocks, the same in the head on labelled tokens.

    The base is frozen, so no gradient of its weights is computed; attention and the adapter are left out.
    """
    tokens = sum(len(row.ids) for row in rows)
    labelled = sum(len(row.ids) - row.prompt_length for row in rows)
    return 4.0 * (tokens * shape.layer_weights + labelled * shape.hidden * VOCABULARY)


def _product_speed(shape: Shape, dtype: str) -> float:
    """Time the product of a block's widest layer in a type, 1,024 tokens at once; give GFLOP/s."""
    import torch

    kind = getattr(torch, dtype)
    left = torch.randn(1024, shape.hidden).to(kind)
    right = torch.randn(shape.hidden, shape.intermediate).to(kind)
    for _ in range(10):
        left @ right
    times = []
    for _ in range(50):
        began = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - began)
    return 2 * 1024 * shape.hidden * shape.intermediate / statistics.median(times) / 1e9


def training_table(figures: Measured) -> str:
    """Lay the figures out for people: medians over the rounds, ratios within each round."""
    names = list(dict.fromkeys(one["recipe"] for one in figures["measured"]))
    lines = [
        f"{'recipe':<28}{'tokens/s':>10}{'ours is':>9}{'spread':>14}{'held-out loss':>15}{'of product':>12}"
    ]
    for name in names:
        mine = [one for one in figures["measured"] if one["recipe"] == name]
        ratios = _ratios(figures["measured"], name)
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}" if name not in {OURS, LARGER, LARGER_WHOLE} else ""
        times = f"{statistics.median(ratios):.2f} x" if spread else ""
        lines.append(
            f"{name:<28}{_median(mine, 'tokens_per_second'):>10,.0f}{times:>9}{spread:>14}"
            f"{_median(mine, 'held_out_loss'):>15.3f}{_median(mine, 'share_of_product'):>12.2f}"
        )
    lines.append(f"{figures['machine']['cores']} cores, {figures['tokens']:,} tokens a run")
    for kind in dict.fromkeys(one["multiplies_in"] for one in figures["measured"]):
        speeds = [one["matrix_product_gflops"] for one in figures["measured"] if one["multiplies_in"] == kind]
        lines.append(f"a product in {kind} ran at {min(speeds):.0f} to {max(speeds):.0f} GFLOP/s")
    return "\n".join(lines)


def _ratios(measured: Sequence[Measured], name: str) -> list[float]:
    ours = [one["tokens_per_second"] for one in measured if one["recipe"] == OURS]
    theirs = [one["tokens_per_second"] for one in measured if one["recipe"] == name]
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def _median(measured: Sequence[Measured], what: str) -> float:
    return float(statistics.median(one[what] for one in measured))
