"""A version's files, for servers that know nothing of MLflow: the merged model as a folder, or the adapter alone."""

from pathlib import Path
from typing import Any

from tasks.core.registry.client import open_registry
from tasks.core.registry.versions import copy_part, known_version, whole_package
from tasks.core.settings import Settings

PARTS = {"merged": "model", "adapter": "adapter"}


def export_version(settings: Settings, number: int, target: Path, what: str) -> dict[str, Any]:
    """Copy the `merged` model with its tokenizer, or the `adapter`, of a version into a new folder; whole, or not at all.

    Raises `SettingsError` when there is no such version, or something at `target`; `ModelError` when a file is not the one
    that was registered.
    """
    client, name = open_registry(settings.workspace), settings.registry.name
    version = known_version(client, name, number)
    package = whole_package(client, version, settings.workspace / "answers")
    files = copy_part(package, PARTS[what], target)
    facts = {"name": name, "version": number, "folder": str(target), "files": files}
    return {"schema": 1, "status": "exported", **facts}
