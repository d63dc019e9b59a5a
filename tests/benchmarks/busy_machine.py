"""A busy machine: how fast training is beside programs that want a core each, by how its threads wait for each other.

    python tests/benchmarks/busy_machine.py

Each figure is a process of its own: the way is read once, when a library of threads is loaded.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]
ROUNDS, BUSY = 3, (0, 1, 2)
WAYS = {
    "libgomp's own": {},
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "a little": {"GOMP_SPINCOUNT": "1000"},
}
TARGET = ROOT / "tests" / "benchmarks" / f"busy-machine-{time.strftime('%Y-%m-%d')}.json"


def train() -> None:
    """Train a small base again and again, and print the tokens of each second."""
    from deployments.bench.ours import ours
    from deployments.bench.training import QUIET
    from deployments.bench.workload import Shape, Work, make_base, make_rows

    os.environ.update(QUIET)
    with tempfile.TemporaryDirectory(prefix="freshtune-busy-") as folder:
        base = make_base(Path(folder) / "base", Shape(192, 4, 512))
        work = Work(base, make_rows(256, seed=1), Path(folder))
        taken = [ours("nf4")(work)[0] for _ in range(ROUNDS + 1)]
    print(json.dumps([round(work.tokens / seconds) for seconds in taken[1:]]))


def measure() -> None:
    """Train each way beside none, one and two programs that never rest."""
    from deployments.bench.machine import machine

    found = []
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    for busy in BUSY:
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            for way, environment in WAYS.items():
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", __file__, "train"],
                    env={**plain, **environment},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                speeds = json.loads(done.stdout.splitlines()[-1])
                told = {
                    "beside": busy,
                    "waits": way,
                    "tokens_per_second": statistics.median(speeds),
                    "all": speeds,
                }
                found.append(told)
                print(json.dumps(told), flush=True)
        finally:
            for other in others:
                other.kill()
    TARGET.write_text(json.dumps({"machine": machine(), "measured": found}, indent=1) + "\n")


if __name__ == "__main__":
    train() if sys.argv[1:] else measure()
