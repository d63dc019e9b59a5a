"""The registry's versions, for people and programs."""

import time
from typing import Any

from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import ADAPTER_DIGEST, BASE_IDENTITY, REASON, REPLACED
from tasks.core.settings import Settings


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
            "mlflow_run_id": version.run_id,
        }
        for version in open_registry(settings.workspace).versions(settings.registry.name)
    ]
