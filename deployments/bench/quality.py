"""Quality, measured against peers on real examples: the newest token rows and base in a workspace's store.

TRL gets as many tokens and optimizer steps as we do, with the same adapter and rate; the guide's recipe gets its own
settings, and as much time.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from deployments.bench.machine import machine
from deployments.bench.ours import ours
from deployments.bench.peers import EFFECTIVE, guide, peers
from deployments.bench.training import QUIET
from deployments.bench.workload import WIDTH, Row, Work, held_out_loss
from tasks.core.tokens.storing import HELD_OUT, TRAIN, load_token_rows

Measured = dict[str, Any]
OURS: Measured = {"rank": 16, "targets": ("all-linear",), "learning_rate": 4e-3}
GUIDES: Measured = {
    "learning_rate": 2e-4,
    "dropout": 0.05,
    "schedule": "linear",
    "warmup_steps": 50,
    "steps": 1000,
}


def measure_quality(workspace: Path, epochs: int, most: int) -> Measured:
    """Train on the newest rows of a workspace in three ways, and score each on its held-out rows.

    Of more than `most` rows, the first by id are taken: ids are hashes, so this is a fixed draw from all of them.
    """
    os.environ.update(QUIET)
    base, tokens = _latest(workspace, "base_fetching"), _latest(workspace, "token_gathering")
    rows, held_out = _rows(tokens / TRAIN), _rows(tokens / HELD_OUT)
    rows = sorted(rows, key=lambda row: row.row_id)[:most] if most else rows
    if max(len(row.ids) for row in rows) > WIDTH:
        raise click.ClickException(f"The peers are set to {WIDTH} tokens a row, and there are longer ones.")
    with TemporaryDirectory(prefix="freshtune-bench-") as folder:
        measured = _all_ways(
            Work(base, rows, Path(folder), **OURS, batch_rows=EFFECTIVE, epochs=epochs), held_out
        )
    return {"machine": machine(), "rows": len(rows), "held_out": len(held_out), "measured": measured}


def _all_ways(work: Work, held_out: Sequence[Row]) -> list[Measured]:
    seconds, model = ours("nf4")(work)
    measured = [_told("freshtune", seconds, held_out_loss(model, held_out))]
    limited = Work(work.base, work.rows, work.scratch, **GUIDES, seconds=seconds)
    for name, recipe, one in (
        ("TRL at its best, equal tokens", list(peers().values())[-1], work),
        ("the guide's recipe, equal time", guide, limited),
    ):
        taken, model = recipe(one)
        measured.append(_told(name, taken, held_out_loss(model, held_out)))
    return measured


def quality_table(figures: Measured) -> str:
    """Lay the figures out for people."""
    lines = [f"{'recipe':<32}{'seconds':>10}{'held-out loss':>15}"]
    lines += [
        f"{one['recipe']:<32}{one['seconds']:>10.1f}{one['held_out_loss']:>15.4f}"
        for one in figures["measured"]
    ]
    return "\n".join([*lines, f"{figures['rows']:,} rows to train on, {figures['held_out']:,} held out"])


def _told(name: str, seconds: float, loss: float) -> Measured:
    return {"recipe": name, "seconds": round(seconds, 1), "held_out_loss": round(loss, 4)}


def _latest(workspace: Path, step: str) -> Path:
    return max((workspace / "store" / step).iterdir(), key=lambda folder: folder.stat().st_mtime)


def _rows(path: Path) -> list[Row]:
    return [Row(row.row_id, row.group, row.ids, row.prompt_length) for row in load_token_rows(path)]
