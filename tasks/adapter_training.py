"""Adapter training: a LoRA adapter on the quantized base, in a child process that goes on where it was killed."""

import json
import shutil
from collections.abc import Callable, Mapping
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.core.fitting.launcher import fit, last_loss
from tasks.core.fitting.plan import FACTS, METRICS, FitPlan
from tasks.core.model.adapters import CONFIG, WEIGHTS, adapter_digest
from tasks.core.model.loading import load_tokenizer
from tasks.core.receipts import Adapter, BaseModel, TokenRows
from tasks.core.settings import LoraSettings, ModelSettings, TrainingSettings
from tasks.core.store.artifacts import Draft
from tasks.core.tokens.storing import TOKENIZER, TRAIN
from tasks.lid import step

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


@step("adapter_training", Adapter, libraries=LIBRARIES, tags=("gpu",))
def train_adapter(
    draft: Draft,
    rows: TokenRows,
    base: BaseModel,
    model: ModelSettings,
    lora: LoraSettings,
    training: TrainingSettings,
) -> Adapter:
    """Train, forwarding progress; checkpoints live in the draft's work folder until the adapter is sealed."""
    plan = _plan(draft, rows, base, model, lora, training)

    facts = fit(plan, _progress())
    facts |= {"final_loss": last_loss(draft.work / METRICS), "rows": rows.counts["train"]}

    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(draft.work / "adapter" / name, draft.folder / name)
    shutil.copyfile(draft.work / METRICS, draft.folder / METRICS)
    (draft.folder / FACTS).write_text(json.dumps(facts, indent=1))
    digest = adapter_digest(draft.folder)
    return draft.seal(Adapter, digest=digest, adapter_digest=digest, base_digest=base.digest, training=facts)


def _plan(
    draft: Draft,
    rows: TokenRows,
    base: BaseModel,
    model: ModelSettings,
    lora: LoraSettings,
    training: TrainingSettings,
) -> FitPlan:
    data = rows.folder(draft.workspace).absolute()
    return FitPlan(
        identity=draft.key,
        base=str(base.folder(draft.workspace).absolute()),
        base_identity=base.identity,
        tokens=str(data / TRAIN),
        output=str((draft.work / "adapter").absolute()),
        work=str(draft.work.absolute()),
        pad_id=load_tokenizer(data / TOKENIZER).pad_token_id,
        **model.model_dump(include={"quantization", "double_quant", "dtype", "attention"}),
        **lora.model_dump(),
        **training.model_dump(),
    )


def _progress() -> Callable[[Mapping[str, float]], None]:
    """Show training as a progress artifact, updated at every twentieth part."""
    shown = 0
    artifact: UUID = create_progress_artifact(0.0, key="training-progress", description="Training")  # type: ignore[assignment]

    def tell(metrics: Mapping[str, float]) -> None:
        nonlocal shown
        part = int(20 * metrics["step"] / metrics["steps"])
        if part > shown:
            shown = part
            update_progress_artifact(artifact, 100 * metrics["step"] / metrics["steps"])

    return tell
