"""Retrain as a team does, month after month: `python tests/benchmarks/month_by_month.py LOGS WORKSPACE OUT.json`.

LOGS is a folder of monthly logs that sort by name. Each month all logs up to it are trained on, from the base anew or, with
`--start champion`, from the champion, on what is new to it and some of what it knows; the gate judges the challenger against the base and the champion of the months before. What it said is written down after each;
said again with the same OUT.json and workspace, it goes on with the next month.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from deployments.bench.machine import machine


@click.command()
@click.argument("logs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("workspace", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--recipe", default="thunderbird", show_default=True)
@click.option("--steps", default=60, show_default=True)
@click.option("--start", type=click.Choice(["base", "champion"]), default="base", show_default=True)
@click.option("--most", default=12, show_default=True, help="Months.")
def main(logs: Path, workspace: Path, target: Path, recipe: str, steps: int, start: str, most: int) -> None:
    """Run the months and write the decisions."""
    months = sorted(logs.glob("*.jsonl"))[:most]
    sets = {"training.max_steps": steps, "training.start": start}
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "recipe": recipe,
        "steps": steps,
        "start": start,
        "months": [],
    }
    if target.exists():
        result["months"] = json.loads(target.read_bytes())["months"]
    done = {one["month"] for one in result["months"]}
    for count, month in enumerate(months, 1):
        if month.stem in done:
            continue
        told = _retrain(months[:count], workspace, recipe, sets)
        result["months"].append({"month": month.stem, **told})
        target.write_text(json.dumps(result, indent=1), encoding="utf-8")
        click.echo(f"{month.stem}  {told['status']:<9} {told['reason']}")


def _retrain(logs: list[Path], workspace: Path, recipe: str, sets: dict[str, Any]) -> dict[str, Any]:
    given = [part for path in logs for part in ("--logs", str(path))]
    given += [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    command = ["run", recipe, "--json", "--workspace", str(workspace)]
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", *command, *given],
        capture_output=True,
        text=True,
        check=True,
    )
    outcome = json.loads(done.stdout)
    kept = ("status", "reason", "seconds", "rows", "start", "metrics", "gains", "slices", "model", "merge")
    training = {name: outcome["training"][name] for name in ("rows", "steps", "tokens", "final_loss")}
    return {**{name: outcome[name] for name in kept}, "training": training, "warnings": outcome["warnings"]}


if __name__ == "__main__":
    main()
