"""Training, measured against peers: the same base, rows, adapter and optimizer steps, in one process, in turns.

Tokens are real ones, without padding. Beside each speed stand the held-out loss that it bought and the speed of a matrix
product timed just before, which tells how quiet the machine was.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deployments.bench.machine import machine
from deployments.bench.ours import ours
from deployments.bench.peers import PEERS
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

Measured = dict[str, Any]
SMALL, LARGE = Shape(256, 4, 688), Shape(512, 3, 1376)
ROWS, HELD_OUT = 256, 64
OURS, UNQUANTIZED, OURS_LARGE = "freshtune", "freshtune, unquantized", "freshtune, 11.6 M weights"
QUIET = {
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}


def measure_training(rounds: int) -> Measured:
    """Train with every recipe in turn, `rounds` times."""
    os.environ.update(QUIET)
    rows, held_out = make_rows(ROWS, seed=1), make_rows(HELD_OUT, seed=2)
    with tempfile.TemporaryDirectory(prefix="freshtune-bench-") as folder:
        small, large = (
            make_base(Path(folder) / name, shape) for name, shape in (("small", SMALL), ("large", LARGE))
        )
        recipes: dict[str, tuple[Recipe, Work]] = {
            OURS: (ours("nf4"), Work(small, rows, Path(folder))),
            **{name: (recipe, Work(small, rows, Path(folder))) for name, recipe in PEERS.items()},
            UNQUANTIZED: (ours("none"), Work(small, rows, Path(folder))),
            OURS_LARGE: (ours("nf4"), Work(large, rows, Path(folder))),
        }
        measured = [
            _measured(name, *recipe, held_out) for _ in range(rounds) for name, recipe in recipes.items()
        ]
    return {"machine": machine(), "tokens": sum(len(row.ids) for row in rows), "measured": measured}


def _measured(name: str, recipe: Recipe, work: Work, held_out: Sequence[Row]) -> Measured:
    shape = LARGE if name == OURS_LARGE else SMALL
    product = _product_speed(shape)
    seconds, model = recipe(work)
    return {
        "recipe": name,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(work.tokens / seconds, 1),
        "held_out_loss": round(held_out_loss(model, held_out), 4),
        "matrix_product_gflops": round(product, 1),
        "share_of_product": round(_flops(work.rows, shape) / seconds / 1e9 / product, 3),
    }


def _flops(rows: Sequence[Row], shape: Shape) -> float:
    """Count the arithmetic of training: 4 a weight and token in the blocks, the same in the head on labelled tokens.

    The base is frozen, so no gradient of its weights is computed; attention and the adapter are left out.
    """
    tokens = sum(len(row.ids) for row in rows)
    labelled = sum(len(row.ids) - row.prompt_length for row in rows)
    return 4.0 * (tokens * shape.layer_weights + labelled * shape.hidden * VOCABULARY)


def _product_speed(shape: Shape) -> float:
    """Time the product of a block's widest layer, 1,024 tokens at once; give GFLOP/s."""
    import torch

    left, right = torch.randn(1024, shape.hidden), torch.randn(shape.hidden, shape.intermediate)
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
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}" if name not in (OURS, OURS_LARGE) else ""
        times = f"{statistics.median(ratios):.2f} x" if spread else ""
        lines.append(
            f"{name:<28}{_median(mine, 'tokens_per_second'):>10,.0f}{times:>9}{spread:>14}"
            f"{_median(mine, 'held_out_loss'):>15.3f}{_median(mine, 'share_of_product'):>12.2f}"
        )
    products = [one["matrix_product_gflops"] for one in figures["measured"]]
    told = figures["machine"]
    lines.append(
        f"{told['cores']} cores, {figures['tokens']:,} tokens a run; the matrix product ran at {min(products):.0f} to "
        f"{max(products):.0f} GFLOP/s"
    )
    return "\n".join(lines)


def _ratios(measured: Sequence[Measured], name: str) -> list[float]:
    ours = [one["tokens_per_second"] for one in measured if one["recipe"] == OURS]
    theirs = [one["tokens_per_second"] for one in measured if one["recipe"] == name]
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def _median(measured: Sequence[Measured], what: str) -> float:
    return float(statistics.median(one[what] for one in measured))
