"""Take the rates of a workspace's runs as the reference for machines on which nothing has run yet.

    python tests/benchmarks/reference_rates.py WORKSPACE [STEP …]

Run the demo there first, and something smaller or larger, so that what a step always takes can be told from what it takes in
proportion. Run this on the same machine while it is quiet: its speed is measured now. With steps, only they are taken, on a machine
of the reference's kind, and the rest stays.
"""

import argparse
import json
from collections.abc import Collection
from pathlib import Path

from tasks.core.planning.rates import REFERENCE, fit, loop_speeds, product_speeds
from tasks.core.store.making import machine, past

DIGITS = 4
TIMES = 50  # that the machine's speed is measured, of which the best is taken: others compute there, too


def main() -> None:
    """Measure, and write the reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("steps", nargs="*")
    asked = parser.parse_args()
    known = json.loads(REFERENCE.read_bytes()) if asked.steps else {"steps": {}}
    if asked.steps and known["machine"] != machine():
        parser.error(f"The reference is of {known['machine']}, and this is {machine()}.")
    rates = {**known["steps"], **_rates(asked.workspace, asked.steps)}
    if not asked.steps:
        gflops, loops = (round(max(speeds), 1) for speeds in (product_speeds(TIMES), loop_speeds(TIMES)))
        known = {"machine": machine(), "gflops": gflops, "loops": loops}
    REFERENCE.write_text(json.dumps({**known, "steps": dict(sorted(rates.items()))}, indent=1) + "\n")
    print(REFERENCE.read_text())


def _rates(workspace: Path, wanted: Collection[str]) -> dict[str, dict[str, float]]:
    """Give the rates of the wanted steps of a workspace, or of all."""
    steps = {}
    for folder in sorted((workspace / "store").iterdir()):
        if wanted and folder.name not in wanted:
            continue
        made = [
            one
            for one in past(workspace, folder.name)
            if one.effort and one.seconds and one.machine == machine() and not one.resumed
        ]
        if not made:
            continue
        efforts = [one.effort for one in made]
        seconds = fit(efforts, [one.seconds for one in made], 0.0)
        sizes = fit(efforts, [float(one.size) for one in made], 0.0)
        names = ("fixed", "slope", "fixed_bytes", "slope_bytes")
        steps[folder.name] = {
            name: float(f"{value:.{DIGITS}g}") for name, value in zip(names, (*seconds, *sizes), strict=True)
        } | {"artifacts": len(made)}
    return steps


if __name__ == "__main__":
    main()
