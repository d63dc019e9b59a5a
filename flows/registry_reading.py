"""The registry's versions, for people and programs."""

import time
from dataclasses import asdict
from typing import Any

from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import ADAPTER_DIGEST, BASE_IDENTITY, KEPT_OUT, REASON, REPLACED, SET_ASIDE
from tasks.core.registry.tracing import trace_rows, trace_version
from tasks.core.registry.transitions import Event, history
from tasks.core.registry.versions import known_version
from tasks.core.settings import Settings


def list_events(settings: Settings) -> list[dict[str, Any]]:
    """Give every change of who is champion, oldest first: when, by whom, why, from and to."""
    return _told(history(open_registry(settings.workspace), settings.registry.name))


def trace(settings: Settings, version: int, sought: dict[str, str]) -> dict[str, Any]:
    """Say what a version was made of, or, with something `sought`, where its rows went.

    Raises `SettingsError` when there is no such version.
    """
    client, name = open_registry(settings.workspace), settings.registry.name
    if sought:
        rows = trace_rows(settings.workspace, client.versions(name), sought)
        return {"schema": 1, "status": "done", "rows": [row.to_json() for row in rows]}
    found = known_version(client, name, version)
    told = trace_version(client, settings.workspace, found)
    mine = [one for one in history(client, name) if version in {one.version, one.before}]
    return {"schema": 1, "status": "done", **told, "history": _told(mine)}


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
            "kept_out": version.tags.get(KEPT_OUT, ""),
            "mlflow_run_id": version.run_id,
        }
        for version in open_registry(settings.workspace).versions(settings.registry.name)
    ]


def _told(events: list[Event]) -> list[dict[str, Any]]:
    """Give events with their time as people write it."""
    return [
        {**asdict(event), "when": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.when))}
        for event in events
    ]
