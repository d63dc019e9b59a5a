"""Housekeeping: what nobody needs any more goes, by one policy."""

import time
from pathlib import Path
from typing import Any

from tasks.core.errors import ServiceError
from tasks.core.operating.retention import clean, plan_cleaning
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.lineage import WAITING
from tasks.core.settings import Settings
from tasks.core.store.artifacts import stored_receipts
from tasks.core.store.locks import alone

DAY = 86_400  # seconds


def clean_workspace(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """Remove what the retention policy does not keep, or say what would go.

    Raises `SettingsError` while a run is in progress, `ServiceError` when MLflow does not answer; nothing has gone by then.
    """
    place = settings.workspace
    with alone(place):
        versions = _kept_versions(settings)
        since = (
            time.time() - DAY * settings.worth.budget_days if settings.worth.max_trainings else float("inf")
        )
        planned = plan_cleaning(place, versions, settings.retention.keep_runs, since)
        size = planned.size()
        if not dry_run:
            clean(place, planned)
    return {
        "schema": 1,
        "status": "would clean" if dry_run else "cleaned",
        "bytes": size,
        "artifacts": _named(place, planned.artifacts),
        "runs": _named(place, planned.runs),
        "leftovers": _named(place, planned.leftovers),
        "kept_runs": settings.retention.keep_runs,
        "kept_versions": [f"{name} {number}" for name, number in sorted(versions)],
    }


def _kept_versions(settings: Settings) -> set[tuple[str, int]]:
    """Give the versions that an alias is on, or that wait for a word, of every model."""
    client = open_registry(settings.workspace)
    _insist_on_our_registry(client, settings.workspace)
    kept = set[tuple[str, int]]()
    for name in client.model_names():
        kept |= {(name, number) for number in client.aliases(name).values()}
        kept |= {(name, one.version) for one in client.versions(name) if one.tags.get(WAITING)}
    return kept


def _insist_on_our_registry(client: Registry, workspace: Path) -> None:
    """Raise `ServiceError` where the registry at hand knows nothing that this workspace has registered: it is another one."""
    made = [(one["name"], one["content_key"]) for one in stored_receipts(workspace, "registration")]
    if made and not any(client.find_content(name, key) for name, key in made):
        raise ServiceError(
            f"The registry at hand has none of the {len(made)} versions that were made here.",
            cure="Say `freshtune up`, or name the registry with MLFLOW_TRACKING_URI.",
        )


def _named(place: Path, paths: tuple[Path, ...]) -> list[str]:
    return [path.relative_to(place).as_posix() for path in paths]
