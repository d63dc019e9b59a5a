"""The trainer process: `python -m tasks.core.fitting.child PLAN.json`, under torchrun where there are several.

It reads a plan, trains, and leaves adapter, facts and metrics in folders; its parent reads those and the exit code.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

from tasks.core.errors import FreshtuneError, HardwareError, ModelError
from tasks.core.fitting.plan import ERROR, FACTS, FitPlan, load_plan

STOPPED = 143
PR_SET_PDEATHSIG = 1


def main(path: Path) -> int:
    """Train by the plan at `path`; give the exit code, and leave an error as a file for the parent."""
    plan = load_plan(path)
    try:
        return _train(plan)
    except FreshtuneError as error:
        _leave(plan, error)
    except MemoryError:
        _leave(plan, _out_of_memory())
    except RuntimeError as error:
        if "out of memory" not in str(error).lower() and "can't allocate memory" not in str(error).lower():
            raise
        _leave(plan, _out_of_memory())
    return 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies: torchrun's ranks would live on as orphans."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _train(plan: FitPlan) -> int:
    from accelerate import Accelerator

    from tasks.core.fitting.loop import Trainer
    from tasks.core.model.adapters import attach, save_adapter
    from tasks.core.model.loading import default_device, load_base
    from tasks.core.tokens.storing import map_token_rows

    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    accelerator = Accelerator(cpu=default_device() == "cpu")
    _insist_on_processes(plan, accelerator.num_processes)
    base = load_base(
        Path(plan.base),
        plan.quantization,  # type: ignore[arg-type]
        double_quant=plan.double_quant,
        dtype=plan.dtype,
        attention=plan.attention,
        device=str(accelerator.device),
    )
    if plan.gradient_checkpointing:
        base.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.model.enable_input_require_grads()
    model = attach(
        base.model,
        method=plan.method,
        rank=plan.rank,
        alpha=plan.alpha,
        dropout=plan.dropout,
        targets=plan.targets,
        seed=plan.seed,
    )
    facts = Trainer(plan, model, map_token_rows(Path(plan.tokens)), accelerator).run(lambda: bool(stop))
    if "stopped_at" in facts:
        return STOPPED
    if accelerator.is_main_process:
        save_adapter(model, Path(plan.output), plan.base_identity)
        facts |= {
            "quantized": list(base.quantized),
            "quantized_share": base.quantized_share,
            "dtype": base.dtype,
        }
        (plan.work_folder / FACTS).write_text(json.dumps(facts))
    accelerator.wait_for_everyone()
    return 0


def _insist_on_processes(plan: FitPlan, found: int) -> None:
    if found != plan.processes:
        raise ModelError(
            f"training.processes is {plan.processes}, but {found} came up.",
            cure="Start with as many processes as there are GPUs.",
        )


def _out_of_memory() -> HardwareError:
    return HardwareError(
        "Training ran out of memory.",
        cure="Halve training.batch_tokens and double training.accumulation, or set training.gradient_checkpointing=true.",
    )


def _leave(plan: FitPlan, error: FreshtuneError) -> None:
    report = {"type": type(error).__name__, "message": error.message, "cure": error.cure}
    (plan.work_folder / ERROR).write_text(json.dumps(report))


if __name__ == "__main__":
    die_with_parent()
    if os.getppid() == 1:  # the parent died before the kernel was asked
        sys.exit(STOPPED)
    sys.exit(main(Path(sys.argv[1])))
