"""Past trainings: how many a workspace has ended of late, as the records of its runs say."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.core.store.run_files import OUTCOME, RECEIPTS

TRAINED = "store/adapter_training/"  # a champion's adapter, which a run fetches, lies elsewhere


def count_trainings(workspace: Path, since: float, but_of: str) -> int:
    """Count the trainings that runs begun after `since`, in seconds since 1970, were the first to have.

    A training that a killed run ended counts for the run that went on with it, and one that many runs took from the store
    once. Those of the dataset `but_of` do not count: what was begun on it may be ended. A run without its two records was
    killed or goes on, and is passed over.
    """
    first: dict[str, float] = {}
    for folder in sorted((workspace / "runs").glob("*")):
        began, trained = _training_of(folder, but_of)
        if trained:
            first[trained] = min(began, first.get(trained, began))
    return sum(began >= since for began in first.values())


def _training_of(folder: Path, but_of: str) -> tuple[float, str]:
    """Give when a run began, and the place of the adapter that it trained or took from the store; empty without one."""
    try:
        started = json.loads((folder / OUTCOME).read_bytes())["started"]
        began = datetime.strptime(started, "%Y-%m-%d %H:%M:%S %z").timestamp()
        receipts: list[dict[str, Any]] = json.loads((folder / RECEIPTS).read_bytes())
    except (FileNotFoundError, ValueError, KeyError):  # `freshtune runs` tells of it
        return 0.0, ""
    if any(one["kind"] == "ValidExamples" and one["digest"] == but_of for one in receipts):
        return began, ""
    return began, next((one["path"] for one in receipts if one["path"].startswith(TRAINED)), "")
