"""Compiled layers: what `torch.compile` takes of a training and gives back, beside the same training without.

    python tests/benchmarks/compiled_training.py

Each way is a process of its own that trains the bench's base again and again; the first time it compiles.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]
TIMES, PAIRS = 3, 2
TARGET = ROOT / "tests" / "benchmarks" / f"compiled-training-{time.strftime('%Y-%m-%d')}.json"


def train(way: str) -> None:
    """Train, and print the seconds, the tokens a second and the held-out loss of each time."""
    from deployments.bench.ours import ours
    from deployments.bench.training import QUIET
    from deployments.bench.workload import Shape, Work, held_out_loss, make_base, make_rows

    os.environ.update(QUIET)
    recipe = ours("nf4")
    if way == "compiled":
        os.environ.pop("TORCHDYNAMO_DISABLE", None)
        os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # what an earlier process compiled
        recipe = ours("nf4", compile_layers)
    found = []
    with tempfile.TemporaryDirectory(prefix="freshtune-compiled-") as folder:
        base, held_out = make_base(Path(folder) / "base", Shape(256, 4, 704)), make_rows(64, seed=2)
        work = Work(base, make_rows(256, seed=1), Path(folder))
        for _ in range(TIMES):
            seconds, model = recipe(work)
            loss = round(held_out_loss(model, held_out), 4)
            speed = round(work.tokens / seconds)
            found.append({"seconds": round(seconds, 2), "tokens_per_second": speed, "held_out_loss": loss})
    print(json.dumps(found))


def compile_layers(model: Any) -> None:
    """Compile each layer, for rows of any length."""
    from torch.nn import ModuleList

    (layers,) = (part for part in model.modules() if isinstance(part, ModuleList))
    for layer in layers:
        layer.compile(dynamic=True)


def measure() -> None:
    """Train both ways in turns."""
    from deployments.bench.machine import machine

    found = []
    for _ in range(PAIRS):
        for way in ("plain", "compiled"):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", __file__, way], capture_output=True, text=True, check=True
            )
            found.append({"way": way, "times": json.loads(done.stdout.splitlines()[-1])})
            print(json.dumps(found[-1]), flush=True)
    TARGET.write_text(json.dumps({"machine": machine(), "measured": found}, indent=1) + "\n")


if __name__ == "__main__":
    train(sys.argv[1]) if sys.argv[1:] else measure()
