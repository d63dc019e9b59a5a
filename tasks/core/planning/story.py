"""The plan as one record, for people and programs: what would run and why, and what it would take."""

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.fitting.schedule import plan_steps
from tasks.core.planning.costs import Cost
from tasks.core.receipts import TokenRows
from tasks.core.report.wording import clock, counted, held_in, size, spoken
from tasks.core.settings import TrainingSettings
from tasks.core.tokens.storing import TRAIN, lengths_of

WHYS = 2  # reasons that one line of the table names
WIDTH = 96
TRAINING, WEIGHING = "adapter_training", "weighing"
FATES = ("cached", "run", "perhaps")


@dataclass(frozen=True)
class Row:
    """What all steps of one name would do, in the order of the story."""

    name: str
    cached: int
    run: int
    perhaps: int
    why: tuple[str, ...]
    seconds: float


def rows_of(steps: Iterable[Mapping[str, Any]], cost: Cost) -> list[Row]:
    """Put the steps of one name together; a reason of its own goes before one of the steps before it."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        by_name.setdefault(step["name"], []).append(step)
    rows = []
    for name, mine in by_name.items():
        count = {fate: sum(one["fate"] == fate for one in mine) for fate in FATES}
        told = sorted((one for one in mine if one["why"]), key=lambda one: bool(one["because"]))
        alike = len({one["why"] for one in told}) == 1 and len(told) == len(mine)
        why = tuple(dict.fromkeys(_why(one, whole=alike) for one in told))
        rows.append(Row(name, **count, why=why, seconds=round(cost.by_step.get(name, 0.0), 2)))
    return rows


def _why(step: Mapping[str, Any], *, whole: bool) -> str:
    return step["why"] if whole or step["because"] or not step["part"] else f"{step['part']}: {step['why']}"


def count_steps(
    rows: TokenRows, training: TrainingSettings, workspace: Path, share: float = 1.0
) -> tuple[int, bool]:
    """Count the optimizer steps of a training on a `share` of the rows.

    Where that is not all, or the token rows are only foreseen, they are about as many, and False says so.
    """
    file = rows.folder(workspace) / TRAIN
    if file.exists() and not training.validation and share == 1:
        planned = plan_steps(
            lengths_of(file),
            batch_tokens=training.batch_tokens,
            batch_rows=training.batch_rows,
            batches_a_step=training.accumulation * training.processes,
            seed=training.seed,
            epochs=training.epochs,
            max_steps=training.max_steps,
        )
        return len(planned), True
    taught, tokens = rows.counts.get("train", 0), rows.counts.get("tokens", 0)
    per_pass = taught / training.batch_rows if training.batch_rows else tokens / training.batch_tokens
    per_pass *= share
    steps = math.ceil(
        (1 - training.validation) * training.epochs * per_pass / (training.accumulation * training.processes)
    )
    return min(steps, training.max_steps) if training.max_steps else steps, False


def headline(rows: Sequence[Row], skipped: str) -> str:
    """Say in one sentence what a run would do."""
    runs, perhaps = sum(row.run for row in rows), sum(row.perhaps for row in rows)
    cached = sum(row.cached for row in rows)
    if skipped:
        return f"A run would train nothing: {skipped}"
    if not runs and not perhaps:
        return f"Nothing is new: a run would take all {cached} steps from the store."
    trains = next((row for row in rows if row.name == TRAINING), None)
    trained = "an adapter is trained" if trains and trains.run else "nothing is trained"
    trained = "an adapter is perhaps trained" if trains and trains.perhaps else trained
    more = f", {perhaps} perhaps" if perhaps else ""
    return f"{counted(runs, 'step')} would run{more}, {cached} come from the store; {trained}."


def plan_text(plan: Mapping[str, Any]) -> str:
    """Give a plan as text for the terminal: the verdict, a line a step, and what it takes."""
    lines = [f"PLAN  {plan['reason']}", ""]
    lines += [f"  {'step':<24}{'stored':>7}{'run':>6}{'perhaps':>9}{'time':>14}  why"]
    for row in plan["steps"]:
        numbers = "".join(f"{row[fate] or '·':>{room}}" for fate, room in zip(FATES, (7, 6, 9), strict=True))
        took = clock(row["seconds"]) if row["run"] or row["perhaps"] else ""
        shown = "; ".join(row["why"][:WHYS]) + (" …" if len(row["why"]) > WHYS else "")
        lines.append(_cut(f"  {spoken(row['name']):<24}{numbers}{took:>14}  {shown}".rstrip()))
    return "\n".join([*lines, "", *_facts(plan), *_told(plan)])


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH + 30 else f"{line[: WIDTH + 29]}…"


def _facts(plan: Mapping[str, Any]) -> list[str]:
    rows, training, time = plan["rows"], plan["training"], plan["time"]
    lines = []
    if rows:
        about = "" if rows["known"] else "about "
        lines.append(f"  rows    {about}{rows.get('in', 0):,} in, {rows.get('kept', 0):,} kept")
    if training:
        about = "" if training["known"] else "about "
        lines.append(
            f"  train   {about}{training['rows']:,} rows, {training['tokens']:,} tokens in "
            f"{counted(training['steps'], 'step')}"
        )
    lines.append(f"  time    {_time(time)}")
    lines += [f"  memory  {_memory(one)}" for one in plan["memory"]]
    disk = plan["disk"]
    lines.append(f"  disk    about {size(disk['needed'])} more, {size(disk['free'])} free")
    return lines


def _time(time: Mapping[str, Any]) -> str:
    told = f"about {clock(time['seconds'])} ({clock(time['least'])} to {clock(time['most'])})"
    if time["guessed"]:
        told += ", by rates of another machine and this one's speed for what has not run here yet"
    if time["unknown"]:
        told += f", without {', '.join(map(spoken, time['unknown']))}, of which nothing is known"
    return told


def _memory(one: Mapping[str, Any]) -> str:
    name = one["device"] + (f" ({one['kind']})" if "kind" in one else "")
    if "problem" in one:
        return f"{name}: {one['problem']} {one.get('cure', '')}".rstrip()
    twice = ", activations computed twice" if one["gradient_checkpointing"] else ""
    held = f", the base {held_in(one['held_as'])}" if "held_as" in one else ""
    at_once = f"{one['micro_tokens'] * one.get('lanes', 1):,} tokens at once"
    return f"{name}: {size(one['needed'])} of {size(one['free'])} free, {at_once}{twice}{held}"


def _told(plan: Mapping[str, Any]) -> list[str]:
    told = [f"  note    {text}" for text in plan["notes"]] + [
        f"  !       {text}" for text in plan["warnings"]
    ]
    return ["", *told] if told else []


def free_space(place: Path) -> int:
    """Give the free bytes of the disk that a workspace is on, or will be."""
    there = next(one for one in (place, *place.parents) if one.exists())
    return shutil.disk_usage(there).free
