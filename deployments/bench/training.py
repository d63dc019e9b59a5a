"""Training, measured against peers: the same base, rows, adapter and optimizer steps, in one process, in turns.

Tokens are real ones, without padding. Beside each speed stand the held-out loss that it bought and the speed of a matrix
product timed just before, which tells how quiet the machine was.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deployments.bench.machine import machine
from deployments.bench.peers import PEERS, Timed
from deployments.bench.workload import (
    BATCH_TOKENS,
    LEARNING_RATE,
    PAD,
    VOCABULARY,
    Row,
    Shape,
    held_out_loss,
    make_base,
    make_rows,
)

Measured = dict[str, Any]
Recipe = Callable[[Path, Sequence[Row]], Timed]
SMALL, LARGE = Shape(256, 4, 688), Shape(512, 3, 1376)
ROWS, HELD_OUT = 256, 64
OURS, UNQUANTIZED, OURS_LARGE = "freshtune", "freshtune, unquantized", "freshtune, 11.6 M weights"
QUIET = {
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}
LORA: Measured = {
    "method": "lora",
    "rank": 8,
    "alpha": 16,
    "dropout": 0.0,
    "targets": ("q_proj", "v_proj"),
    "seed": 1,
}


def measure_training(rounds: int) -> Measured:
    """Train with every recipe in turn, `rounds` times."""
    os.environ.update(QUIET)
    rows, held_out = make_rows(ROWS, seed=1), make_rows(HELD_OUT, seed=2)
    with tempfile.TemporaryDirectory(prefix="freshtune-bench-") as folder:
        small, large = (
            make_base(Path(folder) / name, shape) for name, shape in (("small", SMALL), ("large", LARGE))
        )
        recipes: dict[str, tuple[Recipe, Path]] = {
            OURS: (_ours("nf4"), small),
            **{name: (recipe, small) for name, recipe in PEERS.items()},
            UNQUANTIZED: (_ours("none"), small),
            OURS_LARGE: (_ours("nf4"), large),
        }
        measured = [
            _measured(name, *recipe, rows, held_out)
            for _ in range(rounds)
            for name, recipe in recipes.items()
        ]
    return {"machine": machine(), "tokens": sum(len(row.ids) for row in rows), "measured": measured}


def _measured(
    name: str, recipe: Recipe, base: Path, rows: Sequence[Row], held_out: Sequence[Row]
) -> Measured:
    product = _product_speed(SMALL if name != OURS_LARGE else LARGE)
    seconds, model = recipe(base, rows)
    tokens = sum(len(row.ids) for row in rows)
    return {
        "recipe": name,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(tokens / seconds, 1),
        "held_out_loss": round(held_out_loss(model, held_out), 4),
        "matrix_product_gflops": round(product, 1),
        "share_of_product": round(
            _flops(rows, SMALL if name != OURS_LARGE else LARGE) / seconds / 1e9 / product, 3
        ),
    }


def _ours(quantization: Any) -> Recipe:
    """Train with the product's own loop, from a plan as the product makes it."""

    def train(base: Path, rows: Sequence[Row]) -> Timed:
        from accelerate import Accelerator

        from tasks.core.fitting.loop import Trainer
        from tasks.core.fitting.plan import FitPlan
        from tasks.core.model.adapters import attach
        from tasks.core.model.devices import tokens_at_once
        from tasks.core.model.loading import load_base
        from tasks.core.tokens.storing import TokenRow, map_token_rows, save_token_rows

        work = Path(tempfile.mkdtemp(prefix="freshtune-bench-"))
        save_token_rows(
            work / "train.arrow",
            [TokenRow(row.row_id, "", "", "", row.ids, row.prompt_length) for row in rows],
        )
        plan = FitPlan(
            identity="bench",
            base=str(base),
            base_identity="bench",
            tokens=str(work / "train.arrow"),
            output=str(work / "adapter"),
            work=str(work),
            pad_id=PAD,
            quantization=quantization,
            double_quant=True,
            dtype="float32",
            attention="auto",
            **LORA,
            epochs=1,
            max_steps=0,
            learning_rate=LEARNING_RATE,
            warmup=0.1,
            weight_decay=0.0,
            clip=1.0,
            schedule="cosine",
            batch_tokens=BATCH_TOKENS,
            batch_rows=0,
            accumulation=1,
            micro_tokens=tokens_at_once("cpu", BATCH_TOKENS),
            validation=0.0,
            validation_steps=1000,
            patience=0,
            checkpoint_steps=1000,
            checkpoint_minutes=10,
            gradient_checkpointing=False,
            longest=max(len(row.ids) for row in rows),
            processes=1,
            timeout_minutes=60,
        )
        model = attach(load_base(base, quantization, dtype="float32").model, **LORA)
        trainer = Trainer(plan, model, map_token_rows(work / "train.arrow"), Accelerator(cpu=True))
        began = time.perf_counter()
        trainer.run(lambda: False)
        return time.perf_counter() - began, model

    return train


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
