"""Registration: the model becomes a version in MLflow, with its adapter, its lineage and the story of its training."""

import json
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tasks.core.fitting.plan import METRICS
from tasks.core.receipts import (
    Adapter,
    BaseModel,
    Decision,
    Evaluation,
    MergedModel,
    RawLogs,
    Receipt,
    RegisteredModel,
    TokenRows,
    ValidExamples,
    WarmStart,
)
from tasks.core.registry.ancestry import tags_of_parent
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.glance import read_registry
from tasks.core.registry.lineage import (
    CODE_DIGEST,
    CONTENT_KEY,
    FILES_DIGEST,
    PACKAGES,
    TRAINING_KEY,
    lineage_tags,
    quantization_of,
)
from tasks.core.registry.packaging import (
    NEEDS,
    files_digest,
    package,
    package_digest,
    self_test,
)
from tasks.core.registry.versions import PACKAGE, known_version, whole_package
from tasks.core.report.figures import loss_curve
from tasks.core.report.model_card import model_card
from tasks.core.report.registry_texts import (
    base_name,
    describe,
    note,
    run_figures,
    run_name,
    times_of,
    training_figures,
)
from tasks.core.report.wording import start_words
from tasks.core.settings import RegistrySettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_files, digest_folder
from tasks.core.store.keys import code_digest
from tasks.core.store.rows import read_rows
from tasks.core.tokens.storing import TOKENIZER
from tasks.lid import step

TRAINED_WITH = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


def _is_known(workspace: Path, receipt: Receipt, _values: Mapping[str, Any]) -> bool:
    """Ask the registry whether a stored version is still there with the same content."""
    assert isinstance(receipt, RegisteredModel)  # noqa: S101 - the lid gives what the step made
    version = read_registry(workspace).version(receipt.name, receipt.version)
    return version is not None and version.tags.get(CONTENT_KEY) == receipt.content_key


@step(
    "registration",
    RegisteredModel,
    libraries=NEEDS,
    also=("tasks.core.registry.served_model",),
    retries=3,
    confirm=_is_known,
)
def register_model(
    draft: Draft,
    logs: tuple[RawLogs, ...],
    examples: ValidExamples,
    rows: TokenRows,
    base: BaseModel,
    adapter: Adapter,
    start: WarmStart | None,
    merged: MergedModel,
    evaluations: tuple[Evaluation, ...],
    decision: Decision,
    registry: RegistrySettings,
    *,
    redacted: bool,
) -> RegisteredModel:
    """Register merged model, adapter and tokenizer once, with a card; the same content never becomes a second version."""
    tags = lineage_tags(
        adapter_digest=adapter.adapter_digest,
        base_digest=base.digest,
        base_identity=base.identity,
        tokenizer_digest=digest_files(digest_folder(rows.folder(draft.workspace) / TOKENIZER)),
        quantization=quantization_of(adapter.made_from["model"]),
        examples_digest=examples.digest,
        token_rows_digest=rows.digest,
        merged_digest=merged.digest,
        package_digest=package_digest(),
        log_digests=[part.digest for part in logs],
    ) | (tags_of_parent(start.rows.version, start.parent.adapter_digest) if start else {})
    client = open_registry(draft.workspace)
    known = client.find_content(registry.name, tags[CONTENT_KEY])

    if known:
        version, run_id = known.version, known.run_id
    else:
        config = json.loads((base.folder(draft.workspace) / "config.json").read_bytes())
        named = base_name(base.identity, config)
        counts = examples.counts | ({"train": start.rows.counts["train"]} if start else {})
        description = _describe(named, counts, adapter, merged, evaluations)
        run_id = _track(draft, client, adapter, evaluations, tags, registry, description)
        client.log_metrics(run_id, run_figures(examples.counts, merged.proof))
        told = (named, description, examples, counts, adapter, start, evaluations, decision)
        card = _card(draft.workspace, registry, *told, redacted=redacted)
        version = _register(draft, client, run_id, adapter, merged, tags, registry, description, card)

    _test(draft, client, registry.name, version)
    client.finish_run(run_id)

    facts = {"name": registry.name, "version": version, "run_id": run_id, "tags": tags}
    (draft.folder / "version.json").write_text(json.dumps(facts, indent=1))
    return draft.seal(
        RegisteredModel, name=registry.name, version=version, run_id=run_id, content_key=tags[CONTENT_KEY]
    )


def _card(
    workspace: Path,
    registry: RegistrySettings,
    base: str,
    description: str,
    examples: ValidExamples,
    counts: Mapping[str, int],
    adapter: Adapter,
    start: WarmStart | None,
    evaluations: tuple[Evaluation, ...],
    decision: Decision,
    *,
    redacted: bool,
) -> str:
    return model_card(
        registry.name,
        base,
        description,
        licence=registry.licence,
        dataset=examples.digest,
        redacted=redacted,
        counts=counts,
        started=start_words(start.rows.version, start.rows.counts) if start else "",
        metrics={one.who: one.metrics for one in evaluations},
        verdict=decision.reason,
        slices=decision.slices,
        earlier=decision.earlier,
        general=decision.general,
        steps=read_rows(adapter.folder(workspace) / METRICS),
    )


def _describe(
    base: str,
    counts: Mapping[str, int],
    adapter: Adapter,
    merged: MergedModel,
    evaluations: tuple[Evaluation, ...],
) -> str:
    metrics: dict[str, dict[str, float]] = {one.who: one.metrics for one in evaluations}
    method = adapter.made_from["lora"]["method"]
    return describe(method, base, counts["train"], adapter.training["steps"], metrics, merged.proof)


def _track(
    draft: Draft,
    client: Registry,
    adapter: Adapter,
    evaluations: tuple[Evaluation, ...],
    tags: Mapping[str, str],
    registry: RegistrySettings,
    description: str,
) -> str:
    """Log parameters, metrics and figures in the run of this training; what it logged itself is not there twice."""
    path = adapter.folder(draft.workspace) / METRICS
    steps = read_rows(path)
    began = steps[0]["time"] - steps[0]["seconds"]
    # of one content under one name: the package of another name's version, with its card, must not be written over
    content = f"{tags[CONTENT_KEY]} as {registry.name}"
    known_as = {**tags, CONTENT_KEY: content, TRAINING_KEY: Path(adapter.path).name}
    name = run_name(registry.name, began)
    run_id = client.start_run(registry.experiment, name, known_as, note=note(description), began=began)
    client.log_params(run_id, _params(adapter))
    scores = [(f"{one.who}/{name}", value, 0) for one in evaluations for name, value in one.metrics.items()]
    client.log_metrics(run_id, training_figures(steps), times_of(steps))
    client.log_metrics(run_id, scores)
    loss_curve(steps, draft.work / "loss_curve.png")
    client.log_files(run_id, draft.work / "loss_curve.png", "figures")
    client.log_files(run_id, path, "training")
    return run_id


def _register(
    draft: Draft,
    client: Registry,
    run_id: str,
    adapter: Adapter,
    merged: MergedModel,
    tags: Mapping[str, str],
    registry: RegistrySettings,
    description: str,
    card: str,
) -> int:
    packed = draft.work / PACKAGE
    shutil.rmtree(packed, ignore_errors=True)
    package(packed, merged.folder(draft.workspace) / "model", adapter.folder(draft.workspace), card)
    client.log_files(run_id, packed, PACKAGE)
    packages = ",".join(f"{one}=={metadata.version(one)}" for one in TRAINED_WITH)
    told = {
        FILES_DIGEST: files_digest(packed),
        CODE_DIGEST: code_digest("tasks.adapter_training"),
        PACKAGES: packages,
    }
    return client.register(registry.name, run_id, PACKAGE, {**tags, **told}, description)


def _test(draft: Draft, client: Registry, name: str, number: int) -> None:
    """Load back what was registered, whole, and let it answer: what cannot be served never becomes champion."""
    self_test(whole_package(client, known_version(client, name, number), draft.work / "registered"))


def _params(adapter: Adapter) -> dict[str, Any]:
    """Name the settings that made the adapter, as `section.field`."""
    sections = {
        name: value for name, value in adapter.made_from.items() if name in ("model", "lora", "training")
    }
    params = {
        f"{name}.{field}": value for name, fields in sections.items() for field, value in fields.items()
    }
    return {
        name: value for name, value in params.items() if name != "model.base"
    }  # a path; the tags say which base
