"""Training in a child process: it learns, it survives kill -9 to the same bytes, and it says what stopped it."""

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from accelerate import Accelerator
from safetensors import SafetensorError

from tasks.core.errors import DiskFull, FreshtuneError, HardwareError, ModelError, OutOfMemory, Stopped
from tasks.core.fitting import child, launcher
from tasks.core.fitting.checkpoints import Checkpoint, latest_checkpoint, save_checkpoint
from tasks.core.fitting.guards import (
    check_difference,
    check_gradient,
    check_labels,
    check_loss,
    check_moved,
    check_vocabulary,
    notes_on_losses,
)
from tasks.core.fitting.launcher import MESSAGES, ROOT, _failure, fit, with_less_memory
from tasks.core.fitting.loop import Trainer
from tasks.core.fitting.plan import ERROR, METRICS, FitPlan, Room
from tasks.core.fitting.schedule import learning_rate, plan_steps
from tasks.core.fitting.step_metrics import add_step, steps_so_far
from tasks.core.fitting.watching import part_rows
from tasks.core.model.adapters import adapter_digest
from tasks.core.tokens.storing import TokenRow, map_token_rows, save_token_rows


def nothing(_metrics: Mapping[str, float]) -> None:
    pass


def at_step(step: int, do: Callable[[], None]) -> Callable[[Mapping[str, float]], None]:
    done: list[int] = []

    def tell(metrics: Mapping[str, float]) -> None:
        if metrics["step"] >= step and not done:
            done.append(1)
            do()

    return tell


def kill_trainer(plan: FitPlan) -> None:
    """Kill the rank that trains: the one process whose command line has the plan and is not torchrun itself."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(plan.work_folder).encode() in b" ".join(words) and b"torch.distributed.run" not in words:
            os.kill(int(entry.name), signal.SIGKILL)


def test_a_killed_training_goes_on_to_the_same_bytes(plan: FitPlan, tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    calm = replace(plan, work=str(tmp_path / "calm"), output=str(tmp_path / "calm-out"))
    facts = fit(calm, nothing)
    assert (facts["steps"], facts["resumed_from"], facts["moved"]) == (12, 0, 1.0)

    with pytest.raises(HardwareError, match="was killed"):
        fit(plan, at_step(5, lambda: kill_trainer(plan)))
    assert fit(plan, nothing)["resumed_from"] >= 4
    assert adapter_digest(Path(plan.output)) == adapter_digest(Path(calm.output))
    lines = [json.loads(line) for line in (plan.work_folder / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))


def test_two_processes_learn_what_one_learns_also_from_a_base_that_they_share(
    plan: FitPlan, tmp_path: Path
) -> None:
    plan = replace(plan, dropout=0.0, micro_tokens=90, validation=0.3, validation_steps=4)
    one = replace(plan, accumulation=2, work=str(tmp_path / "one"))
    train_here(one)
    losses = []
    for sharding in (False, True):
        work = tmp_path / f"sharding-{sharding}"
        work.mkdir()
        two = replace(
            plan,
            processes=2,
            accumulation=1,
            sharding=sharding,
            gradient_checkpointing=sharding,  # as in the recipe
            work=str(work),
            output=str(work / "out"),
        )
        facts = fit(two, nothing)
        assert facts["processes"] == 2
        losses.append(losses_of(two))
        assert losses[-1] == pytest.approx(losses_of(one), abs=2e-4)
    assert losses[0] == losses[1]


SUPERVISE = """
import sys
from pathlib import Path
from tasks.core.errors import HardwareError
from tasks.core.fitting.launcher import fit
from tasks.core.fitting.plan import load_plan
try:
    fit(load_plan(Path(sys.argv[1])), lambda metrics: print(metrics["step"], flush=True))
except HardwareError as error:
    sys.exit(error.message)
"""


def of_training(plan: FitPlan) -> dict[int, bytes]:
    """Give the processes of a training, torchrun and its ranks, with their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            if str(plan.work_folder / "plan.json").encode() in words:
                found[int(entry.name)] = words
    return found


@pytest.mark.parametrize("victim", ["rank", "torchrun", "supervisor"])
def test_whoever_is_killed_none_of_several_processes_is_left_and_a_checkpoint_is(
    victim: str, plan: FitPlan, tmp_path: Path
) -> None:
    long = replace(plan, processes=2, max_steps=5000, epochs=5000, checkpoint_steps=1)
    told = tmp_path / "told.json"
    told.write_text(json.dumps(asdict(long)))
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(told)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout
    steps = [int(supervisor.stdout.readline()) for _ in range(3)]
    processes = of_training(long)
    assert len(processes) == 3
    agents = {pid for pid, words in processes.items() if b"torch.distributed.run" in words}
    victims = {"rank": set(processes) - agents, "torchrun": agents, "supervisor": {supervisor.pid}}
    os.kill(max(victims[victim]), signal.SIGKILL)
    supervisor.wait(30)
    deadline = time.monotonic() + 5
    while of_training(long) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not of_training(long)
    assert victim == "supervisor" or "was killed" in supervisor.stderr.read()  # type: ignore[union-attr]
    checkpoint, notes = latest_checkpoint(long.work_folder, long.identity)
    assert checkpoint is not None
    assert checkpoint.step >= steps[-1] - 1
    assert not notes


WAYS = [("pissa", "none"), ("prefix", "nf4"), ("prompt", "nf4"), ("full", "none")]


@pytest.mark.parametrize(("method", "quantization"), WAYS)
def test_whatever_is_trained_goes_on_to_the_same_weights(
    method: str, quantization: str, plan: FitPlan, tmp_path: Path
) -> None:
    plan = replace(plan, method=method, quantization=quantization)
    whole = train_here(replace(plan, work=str(tmp_path / "whole")))
    train_here(plan, stop_after=5)
    again = train_here(plan)
    assert all((weight == again.weights[name]).all() for name, weight in whole.weights.items())
    assert all((weight == again.first[name]).all() for name, weight in whole.first.items())


def test_weights_that_are_trained_themselves_stay_in_full_precision(plan: FitPlan, tmp_path: Path) -> None:
    full = replace(plan, method="full", quantization="none", learning_rate=1e-3)
    losses = []
    for dtype in ("bfloat16", "float32"):
        one = replace(full, dtype=dtype, work=str(tmp_path / dtype))
        trainer = train_here(one)
        assert {weight.dtype for weight in trainer.weights.values()} == {torch.float32}
        losses.append(losses_of(one))
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_gradients_do_not_vanish_in_half_precision(method: str, plan: FitPlan, tmp_path: Path) -> None:
    plan = replace(plan, method=method, quantization="none" if method == "full" else "nf4")
    losses = []
    for dtype in ("float16", "float32"):
        one = replace(plan, dtype=dtype, dropout=0.0, max_steps=6, work=str(tmp_path / dtype))
        trainer = train_here(one)
        assert trainer.scale == (4096 if dtype == "float16" else 1)
        losses.append(losses_of(one))
    assert losses[0] == pytest.approx(losses[1], abs=0.02)


def losses_of(plan: FitPlan) -> list[float]:
    return [json.loads(line)["loss"] for line in (plan.work_folder / METRICS).read_text().splitlines()]


def train_here(plan: FitPlan, stop_after: int = 0) -> Trainer:
    """Train in this process, which starts seconds sooner."""
    plan.work_folder.mkdir(exist_ok=True)
    _, model = child.adapted(plan, "cpu")
    trainer = Trainer(plan, model, map_token_rows(Path(plan.tokens)), Accelerator(cpu=True))
    steps = iter(range(1, 10**6))
    trainer.facts = trainer.run(lambda: next(steps) == stop_after)  # type: ignore[attr-defined]
    return trainer


def test_in_what_pieces_a_batch_goes_through_changes_nothing(plan: FitPlan, tmp_path: Path) -> None:
    plan = replace(plan, dropout=0.0)
    plans = [replace(plan, work=str(tmp_path / str(size)), micro_tokens=size) for size in (600, 30)]
    whole, single = (train_here(one).weights for one in plans)
    assert losses_of(plans[0]) == pytest.approx(losses_of(plans[1]), abs=1e-4)
    assert all((whole[name] - single[name]).abs().max() < 2e-3 for name in whole)


@pytest.fixture
def harming(plan: FitPlan, tmp_path: Path) -> FitPlan:
    """Plan a training that does harm to the rows that are watched: what it teaches is not in them."""
    groups = [f"{number:016x}" for number in range(20)]
    _, watched = part_rows(groups, 0.3, plan.seed)
    draw = random.Random(1)

    def row(number: int) -> TokenRow:
        words = range(60, 90) if number % 20 in watched else range(3, 30)
        return TokenRow(
            str(number), groups[number % 20], "en", "p", [draw.choice(words) for _ in range(20)], 4
        )

    save_token_rows(tmp_path / "apart.arrow", [row(number) for number in range(60)])
    apart = str(tmp_path / "apart.arrow")
    return replace(plan, tokens=apart, dropout=0.0, validation=0.3, learning_rate=0.05, max_steps=20)


def test_the_weights_that_did_best_on_watched_rows_are_kept(harming: FitPlan) -> None:
    harming = replace(harming, validation_steps=2)
    trainer = train_here(harming)
    watch = trainer.watch
    lines = [json.loads(line) for line in (harming.work_folder / METRICS).read_text().splitlines()]
    seen = {line["step"]: line["validation_loss"] for line in lines if "validation_loss" in line}
    assert sorted(seen) == list(range(2, 21, 2))
    assert watch.best_loss == min(seen.values()) == seen[watch.best_step]
    assert watch.best_step < 20
    assert all((weight == watch.best[name]).all() for name, weight in trainer.weights.items())
    rows = {row for step in trainer.steps for batch in step for row in batch}
    groups = map_token_rows(Path(harming.tokens))["group"]
    assert not {groups[row] for row in rows} & {groups[row] for row in watch.rows}
    assert len(rows) + len(watch.rows) == 60


def test_training_ends_when_the_watched_rows_gain_no_more_and_goes_on_from_there_alike(
    harming: FitPlan, tmp_path: Path
) -> None:
    patient = replace(harming, validation_steps=1, patience=3)
    whole = train_here(replace(patient, work=str(tmp_path / "whole")))
    ended = len((tmp_path / "whole" / METRICS).read_text().splitlines())
    assert whole.watch.is_over
    assert ended == whole.watch.best_step + 3 < 20
    assert whole.facts["steps"] == ended
    part = replace(patient, work=str(tmp_path / "part"), checkpoint_steps=1)
    stopped = train_here(part, stop_after=whole.watch.best_step + 1)
    assert stopped.watch.best_step == whole.watch.best_step
    again = train_here(part)
    assert again.watch.state() == whole.watch.state()
    assert all((weight == again.weights[name]).all() for name, weight in whole.weights.items())


def limit_memory(plan: FitPlan) -> None:
    """Leave the trainer no room to grow: whatever it allocates next fails, as on a machine that is full."""
    for process in psutil.Process().children(recursive=True):
        if str(plan.work_folder) in " ".join(process.cmdline()):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (2**20, resource.RLIM_INFINITY))


def test_when_memory_runs_out_a_new_process_goes_on_with_less(plan: FitPlan, tmp_path: Path) -> None:
    # activations of 41 MB: what is smaller than 32 MB is taken from what was freed before, and asks for no new memory
    rows = [
        TokenRow(str(row), f"{row // 3:016x}", "en", "p", [3 + (row + at) % 80 for at in range(30)], 1)
        for row in range(2700)
    ]
    save_token_rows(tmp_path / "many.arrow", rows)
    many = {"tokens": str(tmp_path / "many.arrow"), "batch_tokens": 81_000, "micro_tokens": 81_000}
    large = replace(plan, **many, accumulation=1, max_steps=4, checkpoint_steps=1)
    facts = fit(large, at_step(1, lambda: limit_memory(large)))
    assert facts["micro_tokens"] == 40_500
    assert facts["resumed_from"] >= 1
    assert "went on with 40,500" in facts["notes"][0]
    assert len(losses_of(large)) == 4


def test_what_little_memory_there_was_is_known_to_the_next_start(
    plan: FitPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def short_of_memory(now: FitPlan, _on_metric: object) -> dict[str, Any]:
        tried.append(now.micro_tokens)
        if not 0 < now.micro_tokens <= 100:
            raise OutOfMemory("None left.", cure="Wait.")
        return {"notes": []}

    monkeypatch.setattr(launcher, "_fit", short_of_memory)
    small = replace(plan, micro_tokens=0)
    Room(300, gradient_checkpointing=False, packed=False, needed=1, free=1).save(
        small
    )  # as the first trainer settles it
    assert len(fit(small, nothing)["notes"]) == 2
    assert tried == [0, 150, 75]
    assert len(fit(small, nothing)["notes"]) == 2
    assert tried[3:] == [75]


@pytest.mark.parametrize(("share", "told"), [(0.01, "none"), (0.5, "all")])
def test_too_few_requesters_to_watch_are_told(share: float, told: str) -> None:
    """Of one requester, about half the seeds watch it at a share of a half, and hardly any at a hundredth."""
    words = []
    for seed in range(40):
        try:
            part_rows(["0" * 16], share, seed)
        except ModelError as error:
            words.append(error.message)
    assert len(words) == 40  # either side is empty, whatever the seed
    assert any(told in message for message in words)


def test_an_expert_that_was_never_asked_may_stay_as_it_was() -> None:
    import torch

    zero, one = torch.zeros(2), torch.ones(2)
    check_moved({"a.lora_B": zero, "x.expert_1.lora_B": zero}, {"a.lora_B": one, "x.expert_1.lora_B": zero})
    with pytest.raises(ModelError, match="1 of 2"):
        check_moved({"a.lora_B": zero, "b.lora_B": zero}, {"a.lora_B": one, "b.lora_B": zero})


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_each_step_down_needs_less_memory_until_none_is_left(method: str, plan: FitPlan) -> None:
    plan = replace(plan, method=method, micro_tokens=100, longest=30)
    found, now = [], with_less_memory(plan)
    while now is not None:
        found.append((now.micro_tokens, now.gradient_checkpointing))
        now = with_less_memory(now)
    assert found == [(50, False), (30, False), (30, True)][: 2 if method == "prefix" else 3]


def test_checkpoints_come_by_time_too(plan: FitPlan) -> None:
    train_here(replace(plan, max_steps=3, checkpoint_steps=1000, checkpoint_minutes=1e-6))
    assert [path.name for path in sorted((plan.work_folder / "checkpoints").iterdir())] == [
        "step-000002",
        "step-000003",
    ]


def test_a_second_signal_ends_at_once() -> None:
    source = (
        "import os, signal, time; from tasks.core.fitting.child import listen; asked = listen();"
        "os.kill(os.getpid(), 15); print(asked(), flush=True); os.kill(os.getpid(), 15); time.sleep(9); print('late')"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (143, "True\n")


def test_token_rows_of_another_tokenizer_are_refused(plan: FitPlan, tmp_path: Path) -> None:
    save_token_rows(tmp_path / "other.arrow", [TokenRow("1", "g", "en", "p", [5, 6, 40_000, 2], 1)])
    with pytest.raises(ModelError, match="have id 40000"):
        train_here(replace(plan, tokens=str(tmp_path / "other.arrow")))


def test_an_adapter_that_is_not_heard_is_refused(plan: FitPlan) -> None:
    with pytest.raises(ModelError, match="adapter"):
        train_here(replace(plan, alpha=1e-30, max_steps=2))


def test_a_training_that_takes_too_long_is_ended(plan: FitPlan) -> None:
    with pytest.raises(ModelError, match="longer than 0 minutes"):
        fit(replace(plan, timeout_minutes=0), nothing)


def test_a_stop_leaves_a_checkpoint(plan: FitPlan) -> None:
    def stop() -> None:
        raise Stopped("Stopped by a signal.", cure="Start again.")

    with pytest.raises(Stopped):
        fit(replace(plan, max_steps=400, epochs=400, checkpoint_steps=1000), at_step(2, stop))
    checkpoint, notes = latest_checkpoint(plan.work_folder, plan.identity)
    assert checkpoint is not None
    assert checkpoint.step >= 2
    assert notes == []


def test_the_steps_of_a_stopped_training_are_read_without_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    assert steps_so_far(path) == []
    add_step(path, {"step": 1, "loss": 2.0})
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert steps_so_far(path) == [{"step": 1, "loss": 2.0}]


def test_the_trainers_own_error_reaches_the_parent(plan: FitPlan) -> None:
    with pytest.raises(ModelError, match="fit no layer"):
        fit(replace(plan, targets=("nothing",)), nothing)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), DiskFull),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), DiskFull),
        (SafetensorError("I/O error: No space left on device (os error 28)"), DiskFull),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemory),
        (MemoryError(), OutOfMemory),
    ],
)
def test_what_the_trainer_ran_out_of_reaches_the_parent(
    error: Exception, kind: type[FreshtuneError], plan: FitPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_plan: FitPlan) -> int:
        raise error

    monkeypatch.setattr(child, "_train", fail)
    assert child.main(plan.save()) == 1
    (plan.work_folder / MESSAGES).touch()
    assert type(_failure(1, plan.work_folder, 0, 0)) is kind


@pytest.mark.parametrize(
    "left", [b"", b'{"type": "DiskFu', b"[]", b'{"type": "NoSuchError", "message": "", "cure": ""}']
)
def test_an_error_that_a_full_disk_cut_off_is_still_told(left: bytes, plan: FitPlan) -> None:
    work = plan.work_folder
    (work / ERROR).write_bytes(left)
    (work / MESSAGES).write_text("OSError: [Errno 28] No space left on device\n")
    assert isinstance(_failure(1, work, 0, 0), DiskFull)
    assert (
        _failure(1, work, (work / MESSAGES).stat().st_size, 0).message
        == "The trainer ended with exit code 1."
    )


def test_a_killed_trainers_cure_does_not_promise_too_much(plan: FitPlan) -> None:
    (plan.work_folder / MESSAGES).touch()
    many = 10**9  # more than the kernel has ever killed here
    killed = _failure(-signal.SIGKILL, plan.work_folder, 0, many)
    assert type(killed) is HardwareError
    assert "another training and begins anew" in killed.cure


def test_a_trainer_that_the_kernel_killed_for_memory_is_known(
    plan: FitPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plan.work_folder / MESSAGES).touch()
    counter = tmp_path / "vmstat"
    counter.write_text("pgfault 12\noom_kill 4\nswap_ra 0\n")
    monkeypatch.setattr(launcher, "KILLS", counter)
    assert type(_failure(-signal.SIGKILL, plan.work_folder, 0, 3)) is OutOfMemory  # a rung of the ladder
    assert type(_failure(-signal.SIGKILL, plan.work_folder, 0, 4)) is HardwareError
    monkeypatch.setattr(launcher, "KILLS", tmp_path / "none")
    assert launcher.out_of_memory_kills() == 0


def test_the_kernel_of_this_machine_tells_of_its_kills() -> None:
    assert "oom_kill" in launcher.KILLS.read_text()


def checkpoint(step: int) -> Checkpoint:
    import torch

    return Checkpoint(step, {"a": torch.full((3,), float(step))}, {"a/step": torch.tensor(1.0)})


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, "me", checkpoint(step))
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == [
        "step-000010",
        "step-000015",
    ]


@pytest.mark.parametrize("name", ["adapter.safetensors", "optimizer.safetensors", "manifest.json"])
@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "flipped"])
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(tmp_path: Path, name: str, harm: str) -> None:
    save_checkpoint(tmp_path, "me", checkpoint(5))
    path = save_checkpoint(tmp_path, "me", checkpoint(10)) / name
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "missing": b"",
            "empty": b"",
            "cut": data[:-1],
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        }[harm]
    )
    if harm == "missing":
        path.unlink()
    found, notes = latest_checkpoint(tmp_path, "me")
    assert found is not None
    assert found.step == 5
    assert "step-000010 was set aside" in notes[0]
    assert (tmp_path / "rejected" / "step-000010").is_dir()


def test_numbers_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    import torch

    save_checkpoint(tmp_path, "me", checkpoint(5))
    with pytest.raises(ModelError, match="After step 10, 1 tensors"):
        save_checkpoint(
            tmp_path, "me", replace(checkpoint(10), optimizer={"a/step": torch.tensor(float("nan"))})
        )
    found, notes = latest_checkpoint(tmp_path, "me")
    assert (found and found.step, notes) == (5, [])


def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "me", checkpoint(5))
    found, notes = latest_checkpoint(tmp_path, "you")
    assert found is None
    assert "another training" in notes[0]


def test_a_pass_has_every_row_once_and_steps_are_cut_at_the_limit() -> None:
    lengths = [5 + row % 20 for row in range(100)]
    values = {"batch_tokens": 100, "batch_rows": 0, "batches_a_step": 3, "seed": 0}
    steps = plan_steps(lengths, epochs=2, max_steps=0, **values)
    rows = [row for step in steps for batch in step for row in batch]
    assert sorted(rows) == sorted([*range(100), *range(100)])
    assert len(plan_steps(lengths, epochs=2, max_steps=3, **values)) == 3
    assert len(plan_steps(lengths, epochs=0.5, max_steps=0, **values)) == -(-len(steps) // 4)


def test_the_rate_rises_then_falls() -> None:
    rates = [learning_rate(step, 100, 1.0, 0.1, "cosine") for step in range(100)]
    assert rates[9] == max(rates) == 1.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.1 <= rates[-1] < 0.11
    linear = [learning_rate(step, 100, 1.0, 0.1, "linear") for step in range(100)]
    assert linear[:10] == rates[:10]
    assert linear[10:12] == pytest.approx([1.0, 1 - 1 / 90])
    assert linear[-1] == pytest.approx(1 / 90)
    assert [learning_rate(step, 100, 1.0, 0.1, "constant") for step in (9, 99)] == [1.0, 1.0]


def test_batches_by_rows_have_every_row_once_whatever_its_length() -> None:
    steps = plan_steps(
        list(range(1, 31)), batch_tokens=1, batch_rows=4, batches_a_step=2, seed=0, epochs=1, max_steps=0
    )
    assert [[len(batch) for batch in step] for step in steps] == [[4, 4]] * 3 + [[4, 2]]
    assert sorted(row for step in steps for batch in step for row in batch) == list(range(30))


@pytest.mark.parametrize(
    ("guard", "arguments"),
    [
        (check_labels, (0, 4)),
        (check_loss, (float("nan"), 1)),
        (check_loss, (float("inf"), 1)),
        (check_gradient, (0.0, 1)),
        (check_difference, (0.0,)),
        (check_difference, (float("nan"),)),
        (check_vocabulary, (100, 100)),
    ],
)
def test_what_fails_in_silence_elsewhere_stops_here(
    guard: Callable[..., None], arguments: tuple[float, int]
) -> None:
    with pytest.raises(FreshtuneError) as caught:
        guard(*arguments)
    assert caught.value.cure


FALLING = [3.0 * 0.97**step for step in range(100)]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        (FALLING, []),
        ([2.0 + 0.1 * (step % 3) for step in range(100)], ["did not fall in 100 steps"]),
        ([*FALLING[:60], 2.5, *FALLING[61:]], ["jumped from 0.570 to 2.500 at step 61"]),
        ([*FALLING[:60], 0.9, *FALLING[61:]], []),  # batches differ
        ([0.2] * 50 + [4.0] * 50, ["did not fall", "jumped from 0.200 to 4.000 at step 51"]),
        ([1.0] * 19, []),  # too few to tell
    ],
)
def test_a_loss_that_stays_or_jumps_is_noted(losses: list[float], words: list[str]) -> None:
    notes = notes_on_losses(losses, warm=False)
    assert len(notes) == len(words)
    for note, word in zip(notes, words, strict=True):
        assert word in note
        assert "training.learning_rate" in note
    assert notes_on_losses(losses, warm=True) == [note for note in notes if "did not fall" not in note]
