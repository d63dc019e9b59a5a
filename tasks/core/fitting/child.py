"""The trainer process: `python -m tasks.core.fitting.child PLAN.json`, under torchrun where there are several.

It reads a plan, trains, and leaves adapter, facts and metrics in folders; its parent reads those and the exit code.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tasks.core.errors import FreshtuneError, ModelError, OutOfMemory
from tasks.core.fitting.plan import ERROR, FACTS, FitPlan, Room, load_plan, room_of
from tasks.core.model.loading import LoadedBase
from tasks.core.model.methods import FULL
from tasks.core.starting import end_quickly
from tasks.core.store.artifacts import disk_full
from tasks.core.store.lifelines import die_with_parent

STOPPED = 143
PATIENCE = timedelta(hours=2)  # that ranks wait for the first, which writes a checkpoint


def main(path: Path) -> int:
    """Train by the plan at `path`; give the exit code, and leave an error as a file for the parent."""
    plan = load_plan(path)
    try:
        return _train(plan)
    except FreshtuneError as error:
        _leave(plan, error)
    except MemoryError:
        _leave(plan, _out_of_memory())
    except Exception as error:
        known = disk_full(error, plan.work_folder) or _out_of_memory_in(error)
        if known is None:
            raise
        _leave(plan, known)
    return 1


def _train(plan: FitPlan) -> int:
    from accelerate import Accelerator, InitProcessGroupKwargs

    from tasks.core.fitting.learned import save_learned
    from tasks.core.fitting.loop import Trainer
    from tasks.core.model.adapters import save_adapter
    from tasks.core.model.devices import MIXED, default_device, peak_memory
    from tasks.core.model.products import are_rounded
    from tasks.core.tokens.storing import map_token_rows

    stop_asked = listen()
    patient = InitProcessGroupKwargs(timeout=PATIENCE)
    accelerator = Accelerator(cpu=default_device() == "cpu", kwargs_handlers=[patient])
    _insist_on_processes(plan, accelerator.num_processes)
    rows = map_token_rows(Path(plan.tokens))
    room = _room(plan, accelerator)
    base, model = adapted(room.of(plan), str(accelerator.device))
    trainer = Trainer(room.of(plan), model, rows, accelerator)
    if trainer.lanes != room.lanes:
        room = replace(room, lanes=trainer.lanes)
        room.save(plan)
    facts = trainer.run(stop_asked)
    if "stopped_at" in facts:
        return STOPPED
    if accelerator.is_main_process:
        save_adapter(model, Path(plan.output), plan.base_identity, trainer.first)
        earlier = Path(plan.parent) if plan.parent else None
        save_learned(plan.work_folder, trainer.learned(facts), earlier)
        facts |= {
            "quantized": list(base.quantized),
            "quantized_share": base.quantized_share,
            "dtype": MIXED if are_rounded(model) else base.dtype,
            "memory": {**asdict(room), "peak": peak_memory(accelerator.device)},
        }
        (plan.work_folder / FACTS).write_text(json.dumps(facts))
    accelerator.wait_for_everyone()
    return 0


def _room(plan: FitPlan, accelerator: Any) -> Room:
    """Settle once for all processes what goes through the model at once, by the device that has the least."""
    import torch
    from accelerate.utils import broadcast_object_list

    from tasks.core.model.devices import free_memory

    room = None if plan.micro_tokens else room_of(plan)
    device = accelerator.device
    free = torch.tensor(free_memory(device, plan.processes), device=device)
    least = int(accelerator.gather(free).min())
    if accelerator.is_main_process:
        room = room or _foreseen(plan, str(device), least)
        room.save(plan)
    if plan.processes > 1:
        (room,) = broadcast_object_list([room])
    assert room  # noqa: S101 - the main process has settled it
    return room


def _foreseen(plan: FitPlan, device: str, free: int) -> Room:
    """Ask the planner; a base that it cannot lay out blank is tried as the device usually takes it, and the report says so."""
    from tasks.core.fitting.memory import settle
    from tasks.core.model.devices import BYTES, tokens_at_once
    from tasks.core.model.holding import count_weights
    from tasks.core.model.quantizing import has_room_unpacked
    from tasks.core.tokens.storing import largest_share

    try:
        return settle(plan, largest_share(Path(plan.tokens)), device, free)
    except FreshtuneError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a family's code does with tensors that hold nothing
        print(f"the memory planner: {type(error).__name__}", file=sys.stderr)
        tokens = plan.micro_tokens or tokens_at_once(device, plan.batch_tokens)
        packed = plan.packed
        if plan.unpacks_on(device):
            packed = not has_room_unpacked(count_weights(Path(plan.base)), BYTES["float32"])
        return Room(tokens, plan.gradient_checkpointing, packed, 0, free)


def adapted(plan: FitPlan, device: str) -> tuple[LoadedBase, Any]:
    """Load the base of a plan and put its adapter on, a new one or the parent's; weights that are trained themselves are kept in 32 bit.

    A base that is to be shared is never whole on the device.
    """
    import torch

    from tasks.core.fitting.adapting import adapt
    from tasks.core.model.adapters import compute_in, go_on_with
    from tasks.core.model.devices import compute_dtype
    from tasks.core.model.loading import load_base
    from tasks.core.model.products import check_rounded
    from tasks.core.model.quantizing import unpack
    from tasks.core.model.sharding import shard_blocks

    compute = compute_dtype(plan.dtype, device)
    held = "float32" if plan.method == FULL else str(compute).removeprefix("torch.")
    base = load_base(
        Path(plan.base),
        plan.quantization,  # type: ignore[arg-type]
        double_quant=plan.double_quant,
        dtype=held,
        attention=plan.attention,
        device="cpu" if plan.sharding else device,
        packed=True,
    )
    if plan.unpacks_on(device):
        unpack(base.model, torch.bfloat16 if plan.rounds else compute)
    model = adapt(base.model, plan, device)
    if plan.rounds:
        check_rounded(model)
    if plan.parent:
        go_on_with(model, Path(plan.parent), plan.parent_digest)
    if plan.sharding:
        shard_blocks(model, device, plan.processes)
    return base, compute_in(model, compute) if plan.method == FULL else model


def listen() -> Callable[[], bool]:
    """Take a first SIGTERM as a wish to stop after the step, and a second as one to end at once; tell of the wish."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        if asked:
            os._exit(STOPPED)
        asked.append(number)

    signal.signal(signal.SIGTERM, ask)
    return lambda: bool(asked)


def _insist_on_processes(plan: FitPlan, found: int) -> None:
    if found != plan.processes:
        raise ModelError(
            f"training.processes is {plan.processes}, but {found} came up.",
            cure="Start with as many processes as there are GPUs.",
        )


def _out_of_memory_in(error: Exception) -> OutOfMemory | None:
    said = str(error).lower()
    return _out_of_memory() if "out of memory" in said or "can't allocate memory" in said else None


def _out_of_memory() -> OutOfMemory:
    return OutOfMemory(
        "Training ran out of memory, with as little at once as can be.",
        cure="Lower tokens.max_length or lora.rank, choose a smaller base, or give the device more memory.",
    )


def _leave(plan: FitPlan, error: FreshtuneError) -> None:
    report = {"type": type(error).__name__, "message": error.message, "cure": error.cure}
    with suppress(OSError):  # on a full disk; the parent looks for itself
        (plan.work_folder / ERROR).write_text(json.dumps(report))


if __name__ == "__main__":
    die_with_parent()
    if os.getppid() == 1:  # the parent died before the kernel was asked
        sys.exit(STOPPED)
    end_quickly()
    sys.exit(main(Path(sys.argv[1])))
