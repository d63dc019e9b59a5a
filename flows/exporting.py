"""A version's files, for servers that know nothing of MLflow: the merged model as a folder or as one GGUF file, or the adapter."""

from pathlib import Path
from typing import Any

from tasks.core.export.gguf_export import export_gguf
from tasks.core.export.weights import WeightType
from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import FILES_DIGEST
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


def export_version_as_gguf(settings: Settings, number: int, target: Path, kind: WeightType) -> dict[str, Any]:
    """Write the merged model of a version, with its tokenizer and template, into one new GGUF file; whole, or not at all.

    Raises `SettingsError` when there is no such version, something is at `target`, or the package gguf is missing; `ModelError`
    when a file is not the one that was registered, or the model cannot be written exactly.
    """
    client, name = open_registry(settings.workspace), settings.registry.name
    version = known_version(client, name, number)
    package = whole_package(client, version, settings.workspace / "answers")
    # Not as `general.name`: llama.cpp drops white space around control tokens of whatever is called phi-3.
    labels = {
        "general.basename": name,
        "general.version": str(number),
        FILES_DIGEST: version.tags.get(FILES_DIGEST, ""),
    }
    told = export_gguf(package / "artifacts" / "model", target, kind, labels)
    return {
        "schema": 1,
        "status": "exported",
        "name": name,
        "version": number,
        "file": str(target),
        "type": kind,
        **told.to_json(),
    }
