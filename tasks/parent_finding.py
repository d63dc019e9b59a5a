"""Parent finding: the version whose adapter a training goes on with, asked at one moment."""

from pathlib import Path

from tasks.core.receipts import BaseModel, Parent, TokenRows, ValidExamples
from tasks.core.registry.ancestry import find_adapter, parent_of, unlike_shape, why_no_parent
from tasks.core.registry.client import Registry, Version
from tasks.core.registry.glance import Glance, read_registry
from tasks.core.registry.lineage import ADAPTER_DIGEST, EXAMPLES_DIGEST
from tasks.core.registry.succession import kind_of
from tasks.core.registry.tracing import untraceable
from tasks.core.settings import LoraSettings, ModelSettings, RegistrySettings
from tasks.core.store.tombstones import read_tombstones
from tasks.core.tokens.storing import TOKENIZER
from tasks.retrying import question

NO_CHAMPION = "there is no champion yet"


@question("parent_finding", nobody=lambda: Parent(unfit=NO_CHAMPION))
def find_parent(
    workspace: Path,
    examples: ValidExamples,
    rows: TokenRows,
    base: BaseModel,
    model: ModelSettings,
    lora: LoraSettings,
    registry: RegistrySettings,
) -> Parent:
    """Find the version to go on from: the champion, or, where that was trained on today's very examples, the one that it went on from.

    So a run on unchanged inputs trains what was trained before, and every step comes from the store. Whatever is not fit is told
    in the record, with the version: another base, tokenizer, quantization or shape of the adapter, or a training of which this
    store does not know what was learned.
    """
    client = read_registry(workspace)
    found = _version(client, examples, registry.name)
    if isinstance(found, Parent):
        return found
    number, versions = found.version, client.versions(registry.name)
    ours = kind_of(base.digest, rows.folder(workspace) / TOKENIZER, model.in_key())
    tombstones = read_tombstones(workspace)
    why = why_no_parent(found, versions, ours, tombstones)
    if tombstones and not why and number in {one.version for one in untraceable(workspace, versions)}:
        why = f"somebody is forgotten, and whose rows version {number} has learned cannot be told any more"
    adapter = None if why else find_adapter(workspace, found.tags.get(ADAPTER_DIGEST, ""))
    unlike = unlike_shape(adapter.made_from["lora"], lora.in_key()) if adapter else ""
    if unlike:
        return Parent(version=number, unfit=f"the adapter of version {number} has {unlike}")
    if adapter is None and not why:
        why = f"the training of version {number} is not whole in this store, so nobody knows which rows it has learned"
    return Parent(version=number, adapter=adapter, unfit=why)


def _version(client: Registry | Glance, examples: ValidExamples, name: str) -> Version | Parent:
    """Give the version to go on from, as far as the registry tells, or say that there is none."""
    champion = client.champion(name)
    if champion is None:
        return Parent(unfit=NO_CHAMPION)
    if champion.tags.get(EXAMPLES_DIGEST) != examples.digest:
        return champion
    number = parent_of(champion)
    if not number:
        why = f"so did that of version {champion.version}, which is champion, on the same rows"
        return Parent(unfit=why, as_before=True)
    gone = f"version {number}, which the champion went on from, is not in the registry any more"
    return client.version(name, number) or Parent(unfit=gone)
