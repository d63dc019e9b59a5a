"""Champion fetching: the adapter that a challenger must beat comes out of the registry, whole."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tasks.core.errors import ModelError
from tasks.core.model.adapters import CONFIG, WEIGHTS, adapter_digest
from tasks.core.receipts import Adapter, Rival, TokenRows
from tasks.core.registry.client import Registry, Version, open_registry
from tasks.core.registry.glance import read_registry
from tasks.core.registry.lineage import (
    ADAPTER_DIGEST,
    BASE_DIGEST,
    EXAMPLES_DIGEST,
    REPLACED,
    TOKENS_DIGEST,
)
from tasks.core.registry.succession import kind_of, why_unfit
from tasks.core.settings import RegistrySettings
from tasks.core.store.artifacts import Draft
from tasks.core.tokens.storing import TOKENIZER
from tasks.lid import step
from tasks.retrying import question


def _no_rival() -> Rival | None:
    """Answer for a registry that is still to be made."""
    return None


@question("rival_finding", nobody=_no_rival)
def find_rival(
    workspace: Path, registry: RegistrySettings, adapter: Adapter, rows: TokenRows
) -> Rival | None:
    """Find the version to beat: the champion, or, when the challenger already is champion, the one it replaced.

    So a run on unchanged inputs judges what was judged before, and every step comes from the store. A champion of
    another base, template or quantization is unfit: its score on our rows would not be its own.
    """
    client = read_registry(workspace)
    champion = client.champion(registry.name)
    ours = kind_of(adapter.base_digest, rows.folder(workspace) / TOKENIZER, adapter.made_from["model"])
    same = {ADAPTER_DIGEST: adapter.adapter_digest, BASE_DIGEST: adapter.base_digest}
    if champion and all(champion.tags.get(tag) == value for tag, value in same.items()):
        replaced = int(champion.tags.get(REPLACED, "0"))
        champion = client.version(registry.name, replaced) if replaced else None
    return _rival(champion, ours) if champion else None


@step("champion_fetching", Adapter, retries=3)
def fetch_champion(draft: Draft, rival: Rival) -> Adapter:
    """Download the rival's adapter and make sure that it is the one that was registered."""
    client: Registry = open_registry(draft.workspace)
    folder = client.download(rival.run_id, "model/artifacts/adapter", draft.work / "champion")

    whole = all((folder / name).is_file() for name in (CONFIG, WEIGHTS))
    for name in (CONFIG, WEIGHTS) if whole else ():
        shutil.copyfile(folder / name, draft.folder / name)
    found = adapter_digest(draft.folder) if whole else ""
    if found != rival.adapter_digest:
        raise ModelError(
            f"The adapter of version {rival.version} in the registry is not the one that was registered.",
            cure="Restore its files, or move the champion alias to a version that is whole.",
        )
    return draft.seal(Adapter, digest=found, adapter_digest=found, base_digest=rival.base_digest)


def _rival(version: Version, ours: Mapping[str, str]) -> Rival:
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
        examples_digest=version.tags.get(EXAMPLES_DIGEST, ""),
        token_rows_digest=version.tags.get(TOKENS_DIGEST, ""),
        unfit=why_unfit(version, ours),
    )
