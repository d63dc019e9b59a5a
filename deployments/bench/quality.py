"""Quality, measured against peers on real examples: the token rows and the base of a workspace's latest run.

TRL gets as many tokens as we do, with the same adapter and rate; the guide's recipe gets its own settings, and as much time.
"""

import os
from pathlib import Path
from typing import Any

from deployments.bench.machine import machine
from deployments.bench.ours import ours
from deployments.bench.peers import BEST, guide
from deployments.bench.training import QUIET
from deployments.bench.workload import Row, Work, held_out_loss
from tasks.core.tokens.storing import HELD_OUT, TRAIN, load_token_rows

Measured = dict[str, Any]
RANK, ALL, RATE = 16, ("all-linear",), 4e-3
GUIDES_RATE, GUIDES_RANK, GUIDES_TARGETS = 2e-4, 8, ("q_proj", "v_proj")
LONG_ENOUGH = 1000  # passes; time ends it


def measure_quality(workspace: Path, epochs: int) -> Measured:
    """Train on the rows of a workspace in three ways, and score each on its held-out rows."""
    os.environ.update(QUIET)
    base, tokens = _latest(workspace, "base_fetching"), _latest(workspace, "token_gathering")
    rows, held_out = _rows(tokens / TRAIN), _rows(tokens / HELD_OUT)
    work = Work(base, rows, RANK, ALL, RATE, batch_tokens=4096, epochs=epochs)
    seconds, model = ours("nf4")(work)
    theirs = Work(base, rows, RANK, ALL, RATE, epochs=epochs)
    limited = Work(base, rows, GUIDES_RANK, GUIDES_TARGETS, GUIDES_RATE, epochs=LONG_ENOUGH, seconds=seconds)
    measured = [_told("freshtune", seconds, held_out_loss(model, held_out))]
    for name, recipe, one in (
        ("TRL at its best, equal tokens", BEST, theirs),
        ("the guide's recipe, equal time", guide, limited),
    ):
        taken, model = recipe(one)
        measured.append(_told(name, taken, held_out_loss(model, held_out)))
    return {"machine": machine(), "rows": len(rows), "held_out": len(held_out), "measured": measured}


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
