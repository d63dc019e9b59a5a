"""A version's files, for servers that know nothing of MLflow: the merged model as a folder, or the adapter alone."""

import shutil
from pathlib import Path
from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import FILES_DIGEST
from tasks.core.registry.packaging import check_package
from tasks.core.settings import Settings
from tasks.core.store.digests import digest_folder


def export_version(settings: Settings, number: int, target: Path, what: str) -> dict[str, Any]:
    """Copy the `merged` model with its tokenizer, or the `adapter`, of a version into a new folder; whole, or not at all.

    Raises `SettingsError` when there is no such version, or something at `target`; `ModelError` when a file is not the one
    that was registered.
    """
    client, name = open_registry(settings.workspace), settings.registry.name
    version = client.version(name, number)
    if version is None:
        known = ", ".join(str(one.version) for one in client.versions(name)) or "none"
        raise SettingsError(f"There is no version {number} of {name}.", cure=f"Registered are: {known}.")
    if target.exists():
        raise SettingsError(f"{target} is there already.", cure="Give a folder that is not there yet.")
    package = client.at_hand(version.run_id, "model", settings.workspace / "answers" / version.run_id)
    check_package(package, version.tags.get(FILES_DIGEST, ""))
    source = package / "artifacts" / {"merged": "model", "adapter": "adapter"}[what]
    aside = target.with_name(f"{target.name}.copying")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(source, aside)
    files = digest_folder(aside)
    if files != digest_folder(source):
        raise SettingsError(f"{target} did not come out whole.", cure="Try again on another disk.")
    aside.rename(target)
    return {
        "schema": 1,
        "status": "exported",
        "name": name,
        "version": number,
        "folder": str(target),
        "files": files,
    }
