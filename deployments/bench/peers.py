"""How others train the same adapter on the same rows: the guide's recipe, and TRL in its default and best settings.

Each loads the base in 4 bit the way it is told to, with transformers' own quantizer.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from deployments.bench.workload import LEARNING_RATE, PAD, WIDTH, Row

Timed = tuple[float, Any]  # seconds, and the trained model
EFFECTIVE = 32  # rows in an optimizer step


def guide(base: Path, rows: Sequence[Row]) -> Timed:
    """Train as the guide does: every row padded to 512, the loss on all of it, batches of 4 times 8, checkpointing on."""
    import transformers
    from datasets import Dataset
    from peft import get_peft_model, prepare_model_for_kbit_training

    model = get_peft_model(prepare_model_for_kbit_training(_four_bit(base)), _lora())

    def padded(row: Row) -> dict[str, list[int]]:
        room = WIDTH - len(row.ids)
        ids = [*row.ids, *[PAD] * room]
        return {"input_ids": ids, "labels": ids, "attention_mask": [1] * len(row.ids) + [0] * room}

    arguments = transformers.TrainingArguments(
        **_common(), per_device_train_batch_size=4, gradient_accumulation_steps=8, gradient_checkpointing=True
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([padded(row) for row in rows]),
        data_collator=transformers.default_data_collator,
    )
    return _timed(trainer)


def trl(**changes: Any) -> Callable[[Path, Sequence[Row]], Timed]:
    """Give TRL's way with some of its settings changed; the loss is on the replies alone."""

    def train(base: Path, rows: Sequence[Row]) -> Timed:
        from datasets import Dataset
        from transformers import AutoTokenizer

        peer: Any = import_module("trl")
        values = {"per_device_train_batch_size": 8, **changes}
        values["gradient_accumulation_steps"] = EFFECTIVE // values["per_device_train_batch_size"]
        taught = [
            {
                "input_ids": row.ids,
                "completion_mask": [int(at >= row.prompt_length) for at in range(len(row.ids))],
            }
            for row in rows
        ]
        trainer = peer.SFTTrainer(
            model=_four_bit(base),
            args=peer.SFTConfig(**_common(), max_length=WIDTH, completion_only_loss=True, **values),
            train_dataset=Dataset.from_list(taught),
            processing_class=AutoTokenizer.from_pretrained(str(base)),
            peft_config=_lora(),
        )
        return _timed(trainer)

    return train


PEERS = {
    "the guide's recipe": guide,
    "TRL, default": trl(),
    "TRL, no checkpointing": trl(gradient_checkpointing=False),
    "TRL, and by length": trl(gradient_checkpointing=False, train_sampling_strategy="group_by_length"),
    "TRL, and batches of 4": trl(
        gradient_checkpointing=False,
        train_sampling_strategy="group_by_length",
        per_device_train_batch_size=4,
    ),
}


def _timed(trainer: Any) -> Timed:
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began, trainer.model


def _four_bit(base: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    return AutoModelForCausalLM.from_pretrained(
        str(base), dtype=torch.float32, quantization_config=config, device_map={"": "cpu"}
    )


def _lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )


def _common() -> dict[str, Any]:
    return {
        "output_dir": tempfile.mkdtemp(prefix="freshtune-bench-"),
        "num_train_epochs": 1,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 1,
        "logging_steps": 1000,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "fp16": False,
        "bf16": False,
        "seed": 1,
    }
