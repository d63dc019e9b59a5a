"""The data chapter, measured.

Each measurement is a run of `freshtune check` in a process and a workspace of its own. Seconds are those of the run itself,
without the start of Python and Prefect; memory is the peak of the whole process tree, shared pages counted once.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import psutil

from deployments.bench.generated_logs import write_logs
from deployments.bench.machine import machine

Measured = dict[str, Any]
INTERVAL = 0.5  # seconds between looks at the memory


def measure_data(rows: Sequence[int], logs: Sequence[str], recipe: str) -> Measured:
    """Measure the data chapter on generated logs of several sizes, and on real logs where some are given."""
    with tempfile.TemporaryDirectory(prefix="freshtune-bench-") as folder:
        place = Path(folder)
        measured = [one for count in rows for one in _generated(count, place)]
        if logs:
            measured.append(_measure("real logs", logs, recipe, place / "real"))
    return {"machine": machine(), "measured": measured, "time_exponent": _exponent(measured)}


def _generated(count: int, place: Path) -> list[Measured]:
    """Measure `count` rows at first, again with nothing new, and with a new file of a hundredth more."""
    logs, workspace = place / f"logs-{count}", place / f"workspace-{count}"
    logs.mkdir()
    write_logs(logs / "old.jsonl", count, seed=1)
    full = _measure("full", (str(logs),), "demo", workspace)
    again = _measure("nothing new", (str(logs),), "demo", workspace)
    write_logs(logs / "new.jsonl", count // 100, seed=2, first=count)
    more = _measure("1 % new", (str(logs),), "demo", workspace)
    return [full, again, more]


def _measure(what: str, logs: Sequence[str], recipe: str, workspace: Path) -> Measured:
    command = [
        sys.executable,
        "-m",
        "deployments.cli",
        "check",
        recipe,
        "--json",
        "--workspace",
        str(workspace),
    ]
    command += [part for one in logs for part in ("--logs", one)]
    began = time.monotonic()
    peak = 0
    with tempfile.TemporaryFile("w+") as answer:
        process = subprocess.Popen(command, stdout=answer, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(INTERVAL)
        answer.seek(0)
        said = answer.read()
    if process.returncode:
        raise click.ClickException(f"{what}: freshtune check ended with {process.returncode}: {said[-400:]}")
    outcome = json.loads(said)
    rows, seconds = outcome["rows"]["in"], outcome["seconds"]
    return {
        "what": what,
        "rows": rows,
        "kept": outcome["rows"]["kept"],
        "seconds": seconds,
        "rows_per_second": round(rows / seconds),
        "process_seconds": round(time.monotonic() - began, 1),
        "peak_mib": peak // 2**20,
        "cached": sum(step["cached"] for step in outcome["steps"]),
        "steps": len(outcome["steps"]),
        "seconds_by_step": _by_step(outcome["steps"]),
    }


def _memory(pid: int) -> int:
    """Add up the proportional memory of a process and all that it started; one that ends meanwhile counts nothing."""
    total = 0
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in tree:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def _by_step(steps: Sequence[Measured]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for step in steps:
        seconds[step["name"]] = round(seconds.get(step["name"], 0.0) + step["seconds"], 2)
    return seconds


def _exponent(measured: Sequence[Measured]) -> float | None:
    """Give the exponent of time over rows between the smallest and the largest full measurement."""
    full = sorted((one["rows"], one["seconds"]) for one in measured if one["what"] == "full")
    if len(full) < 2:
        return None
    (few, short), (many, long) = full[0], full[-1]
    return round(math.log(long / short) / math.log(many / few), 3)


def data_table(figures: Measured) -> str:
    """Lay the figures out for people."""
    head = f"{'what':<12}{'rows':>10}{'seconds':>10}{'rows/s':>9}{'peak MiB':>10}{'cached':>9}"
    lines = [
        f"{one['what']:<12}{one['rows']:>10,}{one['seconds']:>10.1f}{one['rows_per_second']:>9,}{one['peak_mib']:>10,}"
        f"{one['cached']:>5}/{one['steps']}"
        for one in figures["measured"]
    ]
    machine = figures["machine"]
    tail = f"{machine['cores']} cores, Python {machine['python']}, load {machine['load']:.1f}"
    exponent = figures["time_exponent"]
    return "\n".join(
        [head, *lines, *([f"time grows with rows to the power {exponent}"] if exponent else []), tail]
    )
