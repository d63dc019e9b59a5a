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
OFF = "TORCHDYNAMO_DISABLE"
TARGET = ROOT / "tests" / "benchmarks" / f"compiled-training-{time.strftime('%Y-%m-%d')}.json"


def train(way: str) -> None:
    """Train, and print the seconds and the tokens a second of each time, and the loss of the last step."""
    from deployments.bench.training import QUIET
    from deployments.bench.workload import Shape, Work, make_base, make_rows

    os.environ.update(QUIET)
    if way == "compiled":
        os.environ.pop(OFF, None)
        os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # what an earlier process compiled
    with tempfile.TemporaryDirectory(prefix="freshtune-compiled-") as folder:
        base = make_base(Path(folder) / "base", Shape(256, 4, 704))
        work = Work(base, make_rows(256, seed=1), Path(folder))
        print(json.dumps([_once(work, compiled=way == "compiled") for _ in range(TIMES)]))


def _once(work: Any, *, compiled: bool) -> dict[str, float]:
    from accelerate import Accelerator
    from torch import nn

    from deployments.bench.ours import planned
    from tasks.core.fitting.child import adapted
    from tasks.core.fitting.loop import Trainer
    from tasks.core.tokens.storing import map_token_rows

    plan = planned(work, "nf4")
    _, model = adapted(plan, "cpu")
    if compiled:
        (layers,) = (part for part in model.modules() if isinstance(part, nn.ModuleList))
        for layer in layers:
            layer.compile(dynamic=True)
    trainer = Trainer(plan, model, map_token_rows(Path(plan.tokens)), Accelerator(cpu=True))
    began = time.perf_counter()
    told = trainer.run(lambda: False)
    seconds = time.perf_counter() - began
    last = (Path(plan.work) / "metrics.jsonl").read_text().splitlines()[told["steps"] - 1]
    return {
        "seconds": round(seconds, 2),
        "tokens_per_second": round(work.tokens / seconds),
        "loss": json.loads(last)["loss"],
    }


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
