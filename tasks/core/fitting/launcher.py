"""The parent's side of training: starts the trainer, follows its metrics, ends its whole tree.

The trainer is a child process: its memory comes back, and a trainer that is killed is a fact the parent sees.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.core import errors
from tasks.core.errors import FreshtuneError, HardwareError, ModelError, OutOfMemory
from tasks.core.fitting.child import STOPPED
from tasks.core.fitting.plan import ERROR, FACTS, LESS, METRICS, SETTLED, FitPlan, room_of
from tasks.core.fitting.step_metrics import FollowedSteps
from tasks.core.model.devices import default_device, tokens_at_once
from tasks.core.model.methods import PREFIX
from tasks.core.store.artifacts import full_disk, no_space, says_full
from tasks.core.store.lifelines import die_with_parent
from tasks.core.store.syncing import write_whole

MESSAGES = "trainer.log"
PATIENCE = 20.0  # seconds between asking a trainer to stop and killing it
KILLS = Path("/proc/vmstat")
ROOT = Path(__file__).parents[3]


def fit(plan: FitPlan, on_metric: Callable[[Mapping[str, float]], None]) -> dict[str, Any]:
    """Train by `plan` in a child process and give the facts of the training; goes on from a checkpoint if there is one.

    When memory runs out, a new process goes on with less of it: the same steps of the same rows, in smaller pieces; when
    no piece can be smaller, activations are computed twice. The facts say so, and the next start begins with as little.

    Raises the trainer's own error; `HardwareError` when it was killed, `ModelError` when it ended without a word or
    took longer than the plan allows.
    """
    known = plan.work_folder / LESS
    notes = list[str]()
    if known.exists():
        told = json.loads(known.read_bytes())
        plan, notes = replace(plan, **told["changes"]), told["notes"]
    while True:
        try:
            facts = _fit(plan, on_metric)
        except OutOfMemory:
            room = None if plan.micro_tokens else room_of(plan)
            tokens = plan.micro_tokens or tokens_at_once(default_device(), plan.batch_tokens)
            tried = room.of(plan) if room else replace(plan, micro_tokens=tokens)
            less = with_less_memory(tried)
            if less is None:
                raise
            notes = [*notes, _words(tried, less)]
            changes = {name: getattr(less, name) for name in SETTLED}
            write_whole(known, json.dumps({"changes": changes, "notes": notes}))
            plan = less
        else:
            return {**facts, "notes": [*notes, *facts["notes"]]}


def with_less_memory(plan: FitPlan) -> FitPlan | None:
    """Give a plan of the same training that needs less memory, or None when there is none."""
    if plan.lanes > 1:
        return replace(plan, lanes=1)
    if plan.micro_tokens > plan.longest:
        return replace(plan, micro_tokens=max(plan.micro_tokens // 2, plan.longest))
    if plan.gradient_checkpointing or plan.method == PREFIX:  # which is lost where activations are recomputed
        return None
    return replace(plan, gradient_checkpointing=True)


def _words(plan: FitPlan, less: FitPlan) -> str:
    told = f"Memory ran out in training with {plan.micro_tokens * plan.lanes:,} tokens at once; it went on "
    if less.gradient_checkpointing != plan.gradient_checkpointing:
        return f"{told}with gradient checkpointing. Set training.gradient_checkpointing=true to begin so."
    return f"{told}with {less.micro_tokens:,}. Set training.micro_tokens={less.micro_tokens} to begin so."


def _fit(plan: FitPlan, on_metric: Callable[[Mapping[str, float]], None]) -> dict[str, Any]:
    work = plan.work_folder
    for name in (ERROR, FACTS):
        (work / name).unlink(missing_ok=True)
    path = plan.save()
    said_before = (work / MESSAGES).stat().st_size if (work / MESSAGES).exists() else 0
    kills_before = out_of_memory_kills()
    seen = FollowedSteps(work / METRICS)
    deadline = time.monotonic() + plan.timeout_minutes * 60
    with _child(plan, path) as process:
        while process.poll() is None:
            seen.tell(on_metric)
            if time.monotonic() > deadline:
                raise ModelError(
                    f"Training took longer than {plan.timeout_minutes} minutes.",
                    cure="Raise training.timeout_minutes; the next start goes on from the last checkpoint.",
                )
            time.sleep(0.1)
    seen.tell(on_metric)
    if process.returncode:
        raise _failure(process.returncode, work, said_before, kills_before)
    facts: dict[str, Any] = json.loads((work / FACTS).read_bytes())
    return facts


@contextmanager
def _child(plan: FitPlan, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the trainer in a process group of its own; whatever happens, none of the group is left afterwards.

    Several ranks are held together by torchrun. A single one needs no agent: it starts seconds sooner, and no name of
    a host is looked up.
    """
    agent = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={plan.processes}"]
    command = [
        sys.executable,
        *(agent if plan.processes > 1 else []),
        "-m",
        "tasks.core.fitting.child",
        str(path),
    ]
    with (plan.work_folder / MESSAGES).open("ab") as messages:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(plan.processes),
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, no lock is taken
        )
        try:
            yield process
        finally:
            _end(process)


def _environment(processes: int) -> dict[str, str]:
    threads = max((os.cpu_count() or 1) // processes, 1)
    quiet = {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    ours = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **quiet, **ours}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the tree to stop (it writes a checkpoint), then kill what is left of it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # nobody is left, as it should be
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def out_of_memory_kills() -> int:
    """Count the processes that the kernel has killed on this machine because memory ran out; 0 where it does not tell."""
    words = KILLS.read_text().split() if KILLS.exists() else []
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0


def _failure(code: int, work: Path, said_before: int, kills_before: int) -> FreshtuneError:
    told = _told(work / ERROR)
    if told:
        return told
    said = (work / MESSAGES).read_bytes()[said_before:][-20_000:].decode(errors="replace")
    if says_full(said):
        return no_space(work)
    if "Signal 9" in said or code == -signal.SIGKILL:
        if out_of_memory_kills() > kills_before:
            return OutOfMemory(
                "The kernel killed the trainer: there was no memory left.",
                cure="Lower tokens.max_length or lora.rank, choose a smaller base, or give the machine more memory.",
            )
        return HardwareError(
            "The trainer was killed, most likely because memory ran out.",
            cure="Start again when there is more: it goes on from the last checkpoint. Or lower training.micro_tokens, "
            "which is another training and begins anew.",
        )
    if code in (STOPPED, -signal.SIGTERM) or "Signal 15" in said:
        return errors.Stopped(
            "Training was stopped.", cure="Start again: it goes on from the last checkpoint."
        )
    return full_disk(work) or ModelError(
        f"The trainer ended with exit code {code}.", cure=f"Its messages are in {work / MESSAGES}."
    )


def _told(path: Path) -> FreshtuneError | None:
    """Read the error that the trainer left; one that a full disk cut off says nothing."""
    try:
        report = json.loads(path.read_bytes())
        kind: type[FreshtuneError] = getattr(errors, report["type"])
        return kind(report["message"], cure=report["cure"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
