"""How Freshtune trains, for the bench: the product's own loop, from a plan as the product makes it."""

import tempfile
import time
from pathlib import Path
from typing import Any

from deployments.bench.workload import PAD, Recipe, Timed, Work


def ours(quantization: Any) -> Recipe:
    """Give our way, with the base held as told."""

    def train(work: Work) -> Timed:
        from accelerate import Accelerator

        from tasks.core.fitting.loop import Trainer
        from tasks.core.fitting.plan import FitPlan
        from tasks.core.model.adapters import attach
        from tasks.core.model.devices import tokens_at_once
        from tasks.core.model.loading import load_base
        from tasks.core.tokens.storing import TokenRow, map_token_rows, save_token_rows

        place = Path(tempfile.mkdtemp(prefix="freshtune-bench-"))
        rows = [TokenRow(row.row_id, "", "", "", row.ids, row.prompt_length) for row in work.rows]
        save_token_rows(place / "train.arrow", rows)
        lora: dict[str, Any] = {
            "method": "lora",
            "rank": work.rank,
            "alpha": 2 * work.rank,
            "dropout": work.dropout,
            "targets": work.targets,
            "seed": 1,
        }
        plan = FitPlan(
            identity="bench",
            base=str(work.base),
            base_identity="bench",
            tokens=str(place / "train.arrow"),
            output=str(place / "adapter"),
            work=str(place),
            pad_id=PAD,
            quantization=quantization,
            double_quant=True,
            dtype="float32",
            attention="auto",
            **lora,
            epochs=work.epochs,
            max_steps=0,
            learning_rate=work.learning_rate,
            schedule=work.schedule,
            warmup=0.0,
            weight_decay=0.0,
            clip=1.0,
            batch_tokens=work.batch_tokens,
            batch_rows=work.batch_rows,
            accumulation=1,
            micro_tokens=tokens_at_once("cpu", work.batch_tokens),
            validation=0.0,
            validation_steps=1000,
            patience=0,
            checkpoint_steps=1000,
            checkpoint_minutes=10,
            gradient_checkpointing=False,
            longest=max(len(row.ids) for row in work.rows),
            processes=1,
            timeout_minutes=60,
        )
        model = attach(load_base(work.base, quantization, dtype="float32").model, **lora)
        trainer = Trainer(plan, model, map_token_rows(place / "train.arrow"), Accelerator(cpu=True))
        began = time.perf_counter()
        trainer.run(lambda: False)
        return time.perf_counter() - began, model

    return train
