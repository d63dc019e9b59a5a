"""How others train the same adapter on the same rows: the guide's recipe, and TRL in its default and best settings.

Each loads the base in 4 bit the way it is told to, with transformers' own quantizer.
"""

import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from deployments.bench.workload import PAD, WIDTH, Recipe, Row, Timed, Work
from tasks.core.model.devices import multiplies_bfloat16

EFFECTIVE = 32  # rows in an optimizer step


def guide(work: Work) -> Timed:
    """Train as the guide does: every row padded to 512, the loss on all of it, batches of 4 times 8, checkpointing on."""
    import transformers
    from datasets import Dataset
    from peft import get_peft_model, prepare_model_for_kbit_training

    model = get_peft_model(prepare_model_for_kbit_training(_four_bit(work.base)), _lora(work))

    def padded(row: Row) -> dict[str, list[int]]:
        room = WIDTH - len(row.ids)
        ids = [*row.ids, *[PAD] * room]
        return {"input_ids": ids, "labels": ids, "attention_mask": [1] * len(row.ids) + [0] * room}

    arguments = transformers.TrainingArguments(
        **_common(work),
        per_device_train_batch_size=4,
        gradient_accumulation_steps=8,
        gradient_checkpointing=True,
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([padded(row) for row in work.rows]),
        data_collator=transformers.default_data_collator,
    )
    return _timed(trainer, work)


def trl(*, bf16: bool = False, **changes: Any) -> Recipe:
    """Give TRL's way with some of its settings changed, and all in 16 bit, if it shall be; the loss is on the replies alone."""

    def train(work: Work) -> Timed:
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
            for row in work.rows
        ]
        trainer = peer.SFTTrainer(
            model=_four_bit(work.base, bf16=bf16),
            args=peer.SFTConfig(
                **_common(work, bf16=bf16), max_length=WIDTH, completion_only_loss=True, **values
            ),
            train_dataset=Dataset.from_list(taught),
            processing_class=AutoTokenizer.from_pretrained(str(work.base)),
            peft_config=_lora(work),
        )
        return _timed(trainer, work)

    return train


QUICK: dict[str, Any] = {"gradient_checkpointing": False, "train_sampling_strategy": "group_by_length"}
FOURS: dict[str, Any] = {**QUICK, "per_device_train_batch_size": 4}
LADDER: dict[str, Recipe] = {
    "the guide's recipe": guide,
    "TRL, default": trl(),
    "TRL, no checkpointing": trl(gradient_checkpointing=False),
    "TRL, and by length": trl(**QUICK),
    "TRL, and batches of 4": trl(**FOURS),
}
IN_BFLOAT16 = {"TRL, and in bfloat16": trl(bf16=True, **FOURS)}
"""What is quicker only where a CPU multiplies bfloat16; elsewhere it is many times slower."""


def peers() -> dict[str, Recipe]:
    """Give the recipes to measure against on this machine; the last is the best."""
    return LADDER | (IN_BFLOAT16 if multiplies_bfloat16() else {})


def _timed(trainer: Any, work: Work) -> Timed:
    import transformers

    began = time.perf_counter()

    class Limit(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, _arguments: Any, _state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop |= 0 < work.seconds < time.perf_counter() - began

    trainer.add_callback(Limit())
    trainer.train()
    return time.perf_counter() - began, trainer.model


def _four_bit(base: Path, *, bf16: bool = False) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    compute = torch.bfloat16 if bf16 else torch.float32
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return AutoModelForCausalLM.from_pretrained(
        str(base), dtype=compute, quantization_config=config, device_map={"": "cpu"}
    )


def _lora(work: Work) -> Any:
    from peft import LoraConfig

    targets = "all-linear" if work.targets == ("all-linear",) else list(work.targets)
    return LoraConfig(
        r=work.rank,
        lora_alpha=2 * work.rank,
        lora_dropout=work.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def _common(work: Work, *, bf16: bool = False) -> dict[str, Any]:
    return {
        "output_dir": tempfile.mkdtemp(dir=work.scratch),
        "num_train_epochs": work.epochs,
        "max_steps": work.steps or -1,
        "learning_rate": work.learning_rate,
        "lr_scheduler_type": work.schedule,
        "warmup_steps": work.warmup_steps,
        "logging_steps": 1000,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "fp16": False,
        "bf16": bf16,
        "seed": 1,
    }
