"""Champion fetching: the adapter that a challenger must beat comes out of the registry, whole."""

import shutil
from pathlib import Path

from prefect import task

from tasks.core.errors import ModelError
from tasks.core.model.adapters import CONFIG, WEIGHTS, adapter_digest
from tasks.core.receipts import Adapter, Rival
from tasks.core.registry.client import Registry, Version, open_registry
from tasks.core.registry.lineage import ADAPTER_DIGEST, BASE_DIGEST, REPLACED
from tasks.core.settings import RegistrySettings
from tasks.core.store.artifacts import Draft
from tasks.lid import step


@task(name="rival_finding")
def find_rival(workspace: Path, registry: RegistrySettings, adapter: Adapter) -> Rival | None:
    """Find the version to beat: the champion, or, when the challenger already is champion, the one it replaced.

    So a run on unchanged inputs judges what was judged before, and every step comes from the store.
    """
    client = open_registry(workspace)
    champion = client.champion(registry.name)
    if champion and champion.tags.get(ADAPTER_DIGEST) == adapter.adapter_digest:
        replaced = int(champion.tags.get(REPLACED, "0"))
        champion = client.version(registry.name, replaced) if replaced else None
    return _rival(champion) if champion else None


@step("champion_fetching", Adapter, retries=3)
def fetch_champion(draft: Draft, rival: Rival) -> Adapter:
    """Download the rival's adapter and make sure that it is the one that was registered."""
    client: Registry = open_registry(draft.workspace)
    folder = client.download(rival.run_id, "model/artifacts/adapter", draft.work / "champion")

    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(folder / name, draft.folder / name)
    found = adapter_digest(draft.folder)
    if found != rival.adapter_digest:
        raise ModelError(
            f"The adapter of version {rival.version} in the registry is not the one that was registered.",
            cure="Restore its files, or move the champion alias to a version that is whole.",
        )
    return draft.seal(Adapter, digest=found, adapter_digest=found, base_digest=rival.base_digest)


def _rival(version: Version) -> Rival:
    missing = [tag for tag in (ADAPTER_DIGEST, BASE_DIGEST) if tag not in version.tags]
    if missing:
        raise ModelError(
            f"Version {version.version} of {version.name} has no tag {' and no '.join(missing)}.",
            cure="Move the champion alias to a version that Freshtune registered.",
        )
    return Rival(
        version=version.version,
        run_id=version.run_id,
        adapter_digest=version.tags[ADAPTER_DIGEST],
        base_digest=version.tags[BASE_DIGEST],
    )
