"""Operation, measured: what the flow costs beside its steps, again with nothing new, the start of the command line, and a plan.

Each is a process of its own, as a user starts it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from deployments.bench.machine import machine
from deployments.bench.pairs import Measured, repeated, time_line
from flows.side_by_side import AT_ONCE
from tasks.core.planning.costs import SIDE_BY_SIDE
from tasks.core.store.making import past

BARE_FLOW = "from prefect import flow\n@flow\ndef bare(): return 1\nbare()"


def measure_operation(rounds: int, recipe: str) -> Measured:
    """Run a recipe once from nothing, and then what is asked of a workspace that has all of it."""
    with tempfile.TemporaryDirectory(prefix="freshtune-bench-") as folder:
        workspace = Path(folder) / "workspace"
        planned, _ = _freshtune(["plan", recipe, "--json"], workspace)
        outcome, whole = _freshtune(["run", recipe, "--json"], workspace)
        work = _work(workspace, outcome)
        again = [_freshtune(["run", recipe, "--json"], workspace) for _ in range(rounds)]
        foretold, _ = _freshtune(["plan", recipe, "--json", "--set", "training.seed=1"], workspace)
        other, _ = _freshtune(["run", recipe, "--json", "--set", "training.seed=1"], workspace)
        return {
            "machine": machine(),
            "recipe": recipe,
            "whole_seconds": round(whole, 1),
            "run_seconds": outcome["seconds"],
            "work_seconds": round(work, 1),
            "beside_work": round(outcome["seconds"] / work, 3),
            "start_seconds": round(whole - outcome["seconds"], 1),
            "again": {
                "cached": sum(step["cached"] for step in again[-1][0]["steps"]),
                "steps": len(again[-1][0]["steps"]),
                "run_seconds": [one["seconds"] for one, _ in again],
                "whole_seconds": [round(seconds, 1) for _, seconds in again],
            },
            "plan_at_first": _foretold(planned, outcome),
            "plan_of_another_seed": _foretold(foretold, other),
            "times": [
                repeated("freshtune --help", lambda: _freshtune(["--help"], workspace)[1], rounds),
                repeated(
                    "freshtune plan, all done", lambda: _freshtune(["plan", recipe], workspace)[1], rounds
                ),
                repeated(
                    "freshtune plan, another training",
                    lambda: _freshtune(["plan", recipe, "--set", "training.seed=9"], workspace)[1],
                    rounds,
                ),
                repeated("a bare Prefect flow, its server with it", lambda: _bare(Path(folder)), rounds),
            ],
        }


def operation_table(figures: Measured) -> str:
    """Lay the figures out for people."""
    again = figures["again"]
    own = sorted(again["run_seconds"])[len(again["run_seconds"]) // 2]
    whole = f"run of {figures['recipe']} from nothing: {figures['whole_seconds']:.1f} s, of which"
    beside = f"{figures['beside_work']:.3f} x"
    lines = [
        f"{whole} {figures['start_seconds']:.1f} s are the start of Python and Prefect",
        f"  its steps worked {figures['work_seconds']:.1f} s, the run took {figures['run_seconds']:.1f} s: {beside}",
        f"again, nothing new: {again['cached']} of {again['steps']} steps from the store, {own:.1f} s of the run's own",
        _plan_line("the first run", figures["plan_at_first"]),
        _plan_line("another seed", figures["plan_of_another_seed"]),
        *(time_line(one) for one in figures["times"]),
    ]
    return "\n".join(lines)


def _plan_line(what: str, told: Measured) -> str:
    bounds = f"{told['seconds']:.0f} s ({told['least']:.0f} to {told['most']:.0f})"
    return f"plan of {what}: foretold {bounds}, took {told['took']:.0f} s, {told['off']:+.0%}"


def _foretold(planned: dict[str, Any], outcome: dict[str, Any]) -> Measured:
    took = outcome["seconds"]
    time_told = {name: planned["time"][name] for name in ("seconds", "least", "most")}
    return {**time_told, "took": took, "off": round(planned["time"]["seconds"] / took - 1, 3)}


def _work(workspace: Path, outcome: dict[str, Any]) -> float:
    """Add up the seconds in which the steps worked, without what is around them; shards work two at a time."""
    total = 0.0
    for step in {one["name"] for one in outcome["steps"]}:
        taken = [one.seconds for one in past(workspace, step)]
        total += sum(taken) / (AT_ONCE if step in SIDE_BY_SIDE and len(taken) > 1 else 1)
    return total


def _freshtune(arguments: Sequence[str], workspace: Path) -> tuple[dict[str, Any], float]:
    """Run a command; give what it said as JSON, if that was asked, and its seconds."""
    place = [] if "--help" in arguments else ["--workspace", str(workspace)]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments, *place],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise click.ClickException(
            f"freshtune {arguments[0]} ended with {done.returncode}: {done.stderr[-400:]}"
        )
    return (json.loads(done.stdout) if "--json" in arguments else {}), seconds


def _bare(folder: Path) -> float:
    began = time.monotonic()
    home = {
        **os.environ,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    subprocess.run([sys.executable, "-c", BARE_FLOW], env=home, capture_output=True, check=True)
    return time.monotonic() - began
