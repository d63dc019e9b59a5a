"""The registry's versions, for people and programs."""

import time
from dataclasses import asdict
from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import ADAPTER_DIGEST, BASE_IDENTITY, REASON, REPLACED, SET_ASIDE
from tasks.core.registry.tracing import trace_rows, trace_version
from tasks.core.registry.transitions import history
from tasks.core.settings import Settings


def list_events(settings: Settings) -> list[dict[str, Any]]:
    """Give every change of who is champion, oldest first: when, by whom, why, from and to."""
    events = history(open_registry(settings.workspace), settings.registry.name)
    return [
        {**asdict(event), "when": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.when))}
        for event in events
    ]


def trace(settings: Settings, version: int, sought: dict[str, str]) -> dict[str, Any]:
    """Say what a version was made of, or, with something `sought`, where its rows went.

    Raises `SettingsError` when there is no such version.
    """
    client, name = open_registry(settings.workspace), settings.registry.name
    versions = client.versions(name)
    if sought:
        rows = trace_rows(settings.workspace, versions, sought)
        return {"schema": 1, "status": "done", "rows": [row.to_json() for row in rows]}
    found = next((one for one in versions if one.version == version), None)
    if found is None:
        known = ", ".join(str(one.version) for one in versions) or "none"
        raise SettingsError(f"There is no version {version} of {name}.", cure=f"Registered are: {known}.")
    return {"schema": 1, "status": "done", **trace_version(client, settings.workspace, found)}


def list_versions(settings: Settings) -> list[dict[str, Any]]:
    """Give every version, newest first, with its aliases and why it was promoted."""
    return [
        {
            "name": version.name,
            "version": version.version,
            "aliases": list(version.aliases),
            "created": time.strftime("%Y-%m-%d %H:%M", time.localtime(version.created)),
            "adapter_digest": version.tags.get(ADAPTER_DIGEST, ""),
            "base": version.tags.get(BASE_IDENTITY, ""),
            "replaced": int(version.tags.get(REPLACED, "0")),
            "reason": version.tags.get(REASON, ""),
            "set_aside": version.tags.get(SET_ASIDE, ""),
            "mlflow_run_id": version.run_id,
        }
        for version in open_registry(settings.workspace).versions(settings.registry.name)
    ]
