"""Adapter training: an adapter on the base, or all of its weights, in a child process that goes on where it was killed."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.core.fitting.guards import notes_on_losses
from tasks.core.fitting.launcher import fit
from tasks.core.fitting.learned import LEARNED
from tasks.core.fitting.plan import FACTS, METRICS, plan_training
from tasks.core.fitting.step_metrics import steps_so_far
from tasks.core.model.adapters import CONFIG, WEIGHTS, adapter_digest
from tasks.core.model.loading import load_tokenizer
from tasks.core.receipts import Adapter, BaseModel, TokenRows, WarmStart
from tasks.core.settings import LoraSettings, ModelSettings, TrainingSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.rows import read_rows
from tasks.core.tokens.storing import TOKENIZER, TRAIN
from tasks.journal import RUNNING, StepRun, journal
from tasks.lid import only_shown, step
from tasks.pruning import is_looked_at, look_at
from tasks.showing import title
from tasks.tracking import Tracking, tracking

NAME = "adapter_training"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
PACE = 20  # steps whose mean duration says how long the rest takes


@step(NAME, Adapter, libraries=LIBRARIES, tags=("gpu",))
def train_adapter(
    draft: Draft,
    rows: TokenRows,
    base: BaseModel,
    model: ModelSettings,
    lora: LoraSettings,
    training: TrainingSettings,
    start: WarmStart | None,
) -> Adapter:
    """Train, forwarding progress; checkpoints live in the draft's work folder until the adapter is sealed.

    With a `start`, its adapter is trained on, on the rows that were chosen for it; else a new one on all rows.
    """
    data, taught = rows.folder(draft.workspace), start.rows if start else rows
    plan = plan_training(
        model,
        lora,
        training,
        identity=draft.key,
        base=base.folder(draft.workspace),
        base_identity=base.identity,
        tokens=taught.folder(draft.workspace) / TRAIN,
        work=draft.work,
        pad_id=load_tokenizer(data / TOKENIZER).pad_token_id,
        parent=start.parent.folder(draft.workspace) if start else None,
        parent_digest=start.parent.adapter_digest if start else "",
    )

    with tracking(draft.workspace, draft.key) as followed:
        if is_looked_at():
            _look_back(steps_so_far(draft.work / METRICS), followed)
        facts = fit(plan, _progress(followed))
    losses = [step["loss"] for step in read_rows(draft.work / METRICS)]
    facts |= {"final_loss": losses[-1], "rows": taught.counts["train"]}
    facts["notes"] = [*facts["notes"], *notes_on_losses(losses, warm=start is not None)]

    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(draft.work / "adapter" / name, draft.folder / name)
    for name in (METRICS, LEARNED):
        shutil.copyfile(draft.work / name, draft.folder / name)
    (draft.folder / FACTS).write_text(json.dumps(facts, indent=1))
    digest = adapter_digest(draft.folder)
    return draft.seal(Adapter, digest=digest, adapter_digest=digest, base_digest=base.digest, training=facts)


def _look_back(steps: Iterable[Mapping[str, float]], followed: Tracking | None) -> None:
    """Look at the steps of an earlier start, before another one: a trial that was pruned is not trained again."""
    for metrics in steps:
        if followed:
            followed.tell(metrics)
        look_at(metrics)


def _progress(followed: Tracking | None = None) -> Callable[[Mapping[str, float]], None]:
    """Show training as a progress artifact, updated at every twentieth part; one that fails is not tried again.

    Whoever watches the run, MLflow, and a sweep that looks at its trial are told of every step.
    """
    shown, seen = 0, list[float]()
    artifact: UUID | None = None
    with only_shown():
        artifact = create_progress_artifact(0.0, key="training-progress", description="Training")  # type: ignore[assignment]

    def tell(metrics: Mapping[str, float]) -> None:
        nonlocal shown, artifact
        if followed:
            followed.tell(metrics)
        seen.append(metrics.get("seconds", 0.0))
        told = progress_words(metrics, fmean(seen[-PACE:]))
        name = title()
        share = metrics["step"] / metrics["steps"]
        now = StepRun(
            NAME,
            RUNNING,
            cached=False,
            seconds=0.0,
            part=name,
            told=told,
            titled=bool(name),
            share=share,
            long=True,
        )
        journal().tell(now)
        look_at(metrics)
        part = int(20 * metrics["step"] / metrics["steps"])
        if part > shown and artifact:
            shown, mine, artifact = part, artifact, None
            with only_shown():
                update_progress_artifact(mine, 100 * metrics["step"] / metrics["steps"])
                artifact = mine

    return tell


def progress_words(metrics: Mapping[str, float], pace: float) -> str:
    """Say how far a training is: `120/232, loss 0.812, 8,140 tokens/s, about 4 min left`; `pace` is in seconds per step."""
    step, steps = int(metrics["step"]), int(metrics["steps"])
    loss = f", loss {metrics['loss']:.3f}" if "loss" in metrics else ""
    speed = f", {metrics['tokens_per_second']:,.0f} tokens/s" if "tokens_per_second" in metrics else ""
    left = pace * (steps - step)
    rest = f"about {left / 60:.0f} min left" if left >= 90 else f"about {left:.0f} s left"
    return f"{step:,}/{steps:,}{loss}{speed}, {rest}"
