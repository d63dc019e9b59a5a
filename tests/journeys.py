"""Small journeys with the real parts: a few hundred sample rows, the starter model, eight optimizer steps."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.core.settings import (
    EvaluationSettings,
    GateSettings,
    LogsSettings,
    LoraSettings,
    ModelSettings,
    Settings,
    TokensSettings,
    TrainingSettings,
)
from tasks.journal import JOURNAL, Journal, StepRun

Told = tuple[dict[str, Any], Journal]
ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests" / "data" / "support_logs"
BASE = ROOT / "deployments" / "starter" / "base"


def small_logs(folder: Path) -> tuple[Path, Path]:
    """Write the first rows of two months of the sample logs."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, count in (("2026-07.jsonl", 150), ("2026-08.jsonl", 110)):
        lines = (SAMPLE / name).read_bytes().splitlines(keepends=True)[:count]
        (folder / name).write_bytes(b"".join(lines))
        paths.append(folder / name)
    return paths[0], paths[1]


def small_settings(workspace: Path, *logs: Path) -> Settings:
    """Give settings of a journey that takes seconds."""
    return Settings(
        workspace=workspace,
        logs=LogsSettings(paths=tuple(str(path) for path in logs)),
        model=ModelSettings(base=str(BASE)),
        tokens=TokensSettings(max_length=384),
        lora=LoraSettings(rank=8, alpha=16),
        training=TrainingSettings(max_steps=8, learning_rate=4e-3, batch_tokens=3072, checkpoint_steps=2),
        evaluation=EvaluationSettings(generated=4, replies=2, max_new_tokens=12, merge_rows=4),
        gate=GateSettings(max_general_loss=0.0),
    )


def run_here(settings: Settings) -> Told:
    """Run the whole story in this process; give its public figures and its journal."""
    from flows.retrain import retrain

    return _told(retrain, settings)


def sweep_here(settings: Settings, on_step: Callable[[StepRun], None] | None = None) -> Told:
    """Run a sweep and what comes after it in this process; give its public figures and its journal."""
    from flows.sweeping import sweep

    return _told(sweep, settings, on_step)


def _told(
    story: Callable[[Settings], dict[str, Any]],
    settings: Settings,
    on_step: Callable[[StepRun], None] | None = None,
) -> Told:
    followed = Journal(on_step=on_step)
    token = JOURNAL.set(followed)
    try:
        return story(settings), followed
    finally:
        JOURNAL.reset(token)


def freshtune(*arguments: str, workspace: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    place = ["--workspace", str(workspace)] if workspace else []
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments, *place],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def plain_environment() -> dict[str, str]:
    """Give the environment without what the tests' own Prefect has put there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    return {**kept, "PYTHONPATH": str(ROOT)}


def small_arguments(*logs: Path) -> list[str]:
    """Give the command-line arguments of the same small journey."""
    given = [part for path in logs for part in ("--logs", str(path))]
    return ["run", "demo", "--json", *given, *small_sets()]


def small_sets() -> list[str]:
    """Give the arguments that make a journey small."""
    sets = [
        f"model.base={BASE}",
        "tokens.max_length=384",
        "lora.rank=8",
        "lora.alpha=16",
        "training.max_steps=8",
        "training.learning_rate=0.004",
        "training.batch_tokens=3072",
        "training.checkpoint_steps=2",
        "evaluation.generated=4",
        "evaluation.replies=2",
        "evaluation.max_new_tokens=12",
        "evaluation.merge_rows=4",
    ]
    return [part for one in sets for part in ("--set", one)]


def outcome_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the one JSON object of a finished command."""
    assert done.returncode == 0, done.stderr[-2000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome
