"""How Freshtune trains, for the bench: the product's own loop, from a plan as the product makes it."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployments.bench.workload import PAD, Recipe, Timed, Work
from tasks.core.fitting.plan import FitPlan, plan_training
from tasks.core.model.devices import settled_dtype
from tasks.core.settings import LoraSettings, ModelSettings, TrainingSettings
from tasks.core.tokens.storing import TokenRow, largest_share, map_token_rows, save_token_rows


def ours(quantization: Any, change: Callable[[Any], None] | None = None, dtype: str = "auto") -> Recipe:
    """Give our way, with the base held and computed with as told, and the model changed before it is trained, if it is to be."""

    def train(work: Work) -> Timed:
        from accelerate import Accelerator

        from tasks.core.fitting.child import adapted
        from tasks.core.fitting.loop import Trainer
        from tasks.core.fitting.memory import settle
        from tasks.core.model.devices import free_memory

        plan = _plan(work, quantization, dtype, Path(tempfile.mkdtemp(dir=work.scratch)))
        rows = map_token_rows(Path(plan.tokens))
        share = largest_share(Path(plan.tokens))
        plan = settle(plan, share, "cpu", free_memory("cpu")).of(plan)
        _, model = adapted(plan, "cpu")
        if change:
            change(model)
        trainer = Trainer(plan, model, rows, Accelerator(cpu=True))
        began = time.perf_counter()
        trainer.run(lambda: False)
        return time.perf_counter() - began, model

    return train


def _plan(work: Work, quantization: Any, dtype: str, place: Path) -> FitPlan:
    rows = [TokenRow(row.row_id, "", "", "", row.ids, row.prompt_length) for row in work.rows]
    save_token_rows(place / "train.arrow", rows)
    return plan_training(
        ModelSettings(quantization=quantization, dtype=settled_dtype(dtype)),
        LoraSettings(rank=work.rank, alpha=2 * work.rank, dropout=work.dropout, targets=work.targets),
        TrainingSettings(
            epochs=work.epochs,
            learning_rate=work.learning_rate,
            schedule=work.schedule,
            warmup=0.0,
            batch_tokens=work.batch_tokens,
            batch_rows=work.batch_rows,
            checkpoint_steps=1000,
            seed=1,
        ),
        identity="bench",
        base=work.base,
        base_identity="bench",
        tokens=place / "train.arrow",
        work=place,
        pad_id=PAD,
    )
