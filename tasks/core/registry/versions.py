"""One version of a model: found by its number, and its package, whole."""

import shutil
from pathlib import Path

from tasks.core.errors import ModelError, SettingsError
from tasks.core.registry.client import Registry, Version
from tasks.core.registry.lineage import FILES_DIGEST
from tasks.core.registry.packaging import check_package
from tasks.core.store.digests import digest_folder

PACKAGE = "model"  # where a run keeps it


def known_version(client: Registry, name: str, number: int) -> Version:
    """Find a version. Raises `SettingsError` when there is none, with those that there are."""
    version = client.version(name, number)
    if version is None:
        known = ", ".join(str(one.version) for one in client.versions(name)) or "none"
        raise SettingsError(
            f"There is no version {number} of {name}.",
            cure=f"Registered are: {known}. `freshtune run` makes one.",
        )
    return version


def whole_package(client: Registry, version: Version, copies: Path) -> Path:
    """Give the package of a version where it lies, or a copy in `copies`, with every file as it was registered.

    Raises `ModelError` when one is not.
    """
    folder = client.at_hand(version.run_id, PACKAGE, copies / version.run_id)
    check_package(folder, version.tags.get(FILES_DIGEST, ""))
    return folder


def copy_part(package: Path, part: str, target: Path) -> dict[str, str]:
    """Copy the part `model` or `adapter` of a package to a new folder, whole or not at all; give its files with their digests.

    Raises `SettingsError` when something is at `target`, `ModelError` when the copy is not what it was copied from.
    """
    if target.exists():
        raise SettingsError(f"{target} is there already.", cure="Give a folder that is not there yet.")
    source, aside = package / "artifacts" / part, target.with_name(f"{target.name}.copying")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(source, aside)
    files = digest_folder(aside)
    if files != digest_folder(source):
        raise ModelError(f"{target} did not come out whole.", cure="Try again, on another disk.")
    aside.rename(target)
    return files
