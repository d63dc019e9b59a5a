"""Measure training on a GPU at the shape of Mistral 7B with random weights: `python tests/benchmarks/gpu_training.py OUT.json`.

No download is needed: speed and memory do not depend on what the weights say. Rows are 2,048 tokens long, half of them
labelled, so nothing is padding. Beside each measured peak is what the planner foresaw. `--shape tiny` runs the same on a CPU in seconds, to see that the script works.
"""

import gc
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any

import click
import torch
from accelerate import Accelerator
from transformers import MistralConfig, MistralForCausalLM

from deployments.bench.machine import machine
from tasks.core.fitting.loop import Trainer
from tasks.core.fitting.memory import settle
from tasks.core.fitting.plan import FitPlan, plan_training
from tasks.core.model.adapters import attach
from tasks.core.model.devices import compute_dtype, default_device, free_memory, peak_memory
from tasks.core.model.quantizing import quantize, quantized_layers
from tasks.core.settings import LoraSettings, ModelSettings, TrainingSettings
from tasks.core.tokens.storing import TokenRow, map_token_rows, save_token_rows

SHAPES: dict[str, dict[str, int]] = {
    "7b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
    },
}
LENGTHS = {"7b": 2048, "tiny": 64}
STEPS, WARM_UP = 8, 3


@dataclass(frozen=True)
class Case:
    """One way to train: how the base is held, rows at once, whether activations are computed twice, and the adapter."""

    name: str
    quantization: str = "nf4"
    double_quant: bool = False
    rows_at_once: int = 8
    checkpointing: bool = False
    rank: int = 16
    targets: tuple[str, ...] = ("all-linear",)


CASES = (
    Case("qlora r16, 8 rows at once"),
    Case("qlora r16, 8 rows at once, checkpointing", checkpointing=True),
    Case("qlora r16, 4 rows at once", rows_at_once=4),
    Case("qlora r16, 2 rows at once", rows_at_once=2),
    Case("qlora r16, 1 row at once", rows_at_once=1),
    Case(
        "least memory: 1 row, checkpointing, double quantization",
        double_quant=True,
        rows_at_once=1,
        checkpointing=True,
    ),
    Case("the guide's adapter: r8 on query and value", rank=8, targets=("q_proj", "v_proj")),
    Case("lora r16, not quantized, 8 rows at once", "none"),
)


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--shape", type=click.Choice(sorted(SHAPES)), default="7b", show_default=True)
def main(target: Path, shape: str) -> None:
    """Run every case and write the figures, after each of them."""
    measured: list[dict[str, Any]] = []
    for case in CASES:
        try:
            figures = _measure(case, shape)
        except torch.OutOfMemoryError:
            figures = {"out_of_memory": True}
        measured.append({**asdict(case), **figures})
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        result = {"device": device, "machine": machine(), "date": time.strftime("%Y-%m-%d"), "shape": shape}
        target.write_text(json.dumps({**result, "measured": measured}, indent=1), encoding="utf-8")
        click.echo(json.dumps(measured[-1]))
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _measure(case: Case, shape: str) -> dict[str, Any]:
    """Train some steps of eight rows each; give the median speed after warming up, and the peak of memory."""
    device, length = default_device(), LENGTHS[shape]
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    model = _base(case, shape, device)
    names, share = quantized_layers(model)
    lora = LoraSettings(rank=case.rank, alpha=32, targets=case.targets)
    if case.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model = attach(model, lora, seed=0)
    work = Path(mkdtemp(prefix="freshtune-bench-"))
    draw = torch.Generator().manual_seed(0)
    count = 8 * (STEPS + WARM_UP)
    ids = torch.randint(3, SHAPES[shape]["vocab_size"], (count, length), generator=draw).tolist()
    save_token_rows(
        work / "train.arrow", [TokenRow(str(at), "", "", "", row, length // 2) for at, row in enumerate(ids)]
    )
    _config(shape).save_pretrained(work)
    plan = _plan(case, work, lora, length)
    accelerator, rows = Accelerator(cpu=device == "cpu"), map_token_rows(work / "train.arrow")
    room = settle(plan, 0.5, device, free_memory(device))
    trainer = Trainer(plan, model, rows, accelerator)
    trainer.run(lambda: False)
    steps = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()][WARM_UP:]
    return {
        "quantized_layers": len(names),
        "quantized_share": share,
        "tokens_per_second": round(median(step["tokens_per_second"] for step in steps)),
        "peak_gb": round(peak_memory(accelerator.device) / 1e9, 2),
        "foreseen_gb": round(room.needed / 1e9, 2),
        "loss": steps[-1]["loss"],
    }


def _base(case: Case, shape: str, device: str) -> Any:
    """Make random weights on the device, layer by layer in 4 bit where the case says so."""
    compute = compute_dtype("auto", device)
    torch.manual_seed(0)
    torch.set_default_dtype(compute)
    try:
        with torch.device(device):
            model = MistralForCausalLM(_config(shape))
    finally:
        torch.set_default_dtype(torch.float32)
    quantize(model, case.quantization, double_quant=case.double_quant, compute=compute, device=device)  # type: ignore[arg-type]
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()  # a base from files is never whole in 16 bit on the device
    return model.eval()


def _config(shape: str) -> MistralConfig:
    return MistralConfig(
        **SHAPES[shape],
        architectures=["MistralForCausalLM"],
        max_position_embeddings=4096,
        sliding_window=None,
        tie_word_embeddings=False,
    )


def _plan(case: Case, work: Path, lora: LoraSettings, length: int) -> FitPlan:
    return plan_training(
        ModelSettings(quantization=case.quantization, double_quant=case.double_quant),
        lora,
        TrainingSettings(
            epochs=1,
            learning_rate=1e-4,
            schedule="constant",
            warmup=0.0,
            batch_rows=8,
            micro_tokens=case.rows_at_once * length,
            checkpoint_steps=1000,
            checkpoint_minutes=1000,
            gradient_checkpointing=case.checkpointing,
        ),
        identity="bench",
        base=work,
        base_identity="bench",
        tokens=work / "train.arrow",
        work=work,
        pad_id=0,
    )


if __name__ == "__main__":
    main()
