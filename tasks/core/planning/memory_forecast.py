"""The memory forecast: what a training needs on this machine and on others, foreseen in a process of its own.

`python -m tasks.core.planning.memory_forecast` imports what it needs at once, reads one question as JSON from its input, and
writes the answer: the importing takes seconds, in which a plan does the rest.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.core.errors import FreshtuneError, SettingsError
from tasks.core.settings import LoraSettings, ModelSettings, TrainingSettings
from tasks.core.starting import start_quickly
from tasks.core.store.making import Made, machine

GIB = 2**30
SHAPING = (
    "batch_tokens",
    "batch_rows",
    "accumulation",
    "micro_tokens",
    "gradient_checkpointing",
    "processes",
    "sharding",
)  # of a training's settings, what its memory depends on
ALIKE = 0.05  # rows are alike with a longest that differs by this share, and as much of them learned
CONTEXT = 0.6  # GiB that a GPU's driver and context take before anything is loaded
NAMED = {
    "t4": 15,
    "a10": 23,
    "l4": 23,
    "rtx-3090": 24,
    "rtx-4090": 24,
    "rtx-5090": 32,
    "a100-40": 40,
    "l40s": 46,
    "a6000": 48,
    "a100": 80,
    "h100": 80,
    "h200": 141,
    "b200": 180,
}
"""GiB of memory by the name of a GPU."""


def gib_of(name: str) -> float:
    """Give the memory of a named GPU in GiB; a number is that many. Raises `SettingsError` for another name."""
    plain = name.lower().removesuffix("gib").removesuffix("gb").strip().replace(" ", "-")
    try:
        return float(NAMED.get(plain, plain))
    except ValueError:
        raise SettingsError(
            f"No GPU is known as {name[:40]}.",
            cure=f"Give its memory in GiB, or one of {', '.join(NAMED)}.",
        ) from None


def remembered(
    made: Iterable[Made], inputs: Mapping[str, Any], longest: int, labelled_share: float | None
) -> list[dict[str, Any]]:
    """Give what was foreseen for an earlier training of the same shape on rows alike, on this kind of machine; empty without one.

    Rows are alike that are about as long and of which about as much is learned, at most; None where that is not known.
    """
    for one in made:
        then, room = one.receipt.get("made_from", {}), one.receipt.get("training", {}).get("memory")
        same = all(then.get(name) == inputs.get(name) for name in ("model", "lora", "base"))
        alike = same and all(
            then.get("training", {}).get(name) == inputs["training"].get(name) for name in SHAPING
        )
        if alike and room and room["needed"] and room.get("longest") and one.machine == machine():
            share = room["labelled_share"] if labelled_share is None else labelled_share
            long = abs(room["longest"] - longest) <= ALIKE * longest
            if long and abs(room["labelled_share"] - share) <= ALIKE:
                return [{"device": "this machine", "kind": "foreseen before", **room}]
    return []


class Forecaster:
    """A process that foresees memory: open it early, so that it imports meanwhile, or let `ask` do it; close it in the end."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the process, if it has not been started."""
        threads = str(os.cpu_count() or 1)  # as a trainer has, which takes its lanes by them
        self.child = self.child or subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "TORCHDYNAMO_DISABLE": "1", "OMP_NUM_THREADS": threads},
        )

    def ask(
        self,
        settings: tuple[ModelSettings, LoraSettings, TrainingSettings],
        base: Path,
        weights: int,
        longest: int,
        labelled_share: float,
        others: Iterable[str],
    ) -> list[dict[str, Any]]:
        """Give, for this machine's device and for each of the others, what goes through at once and what that needs, in bytes.

        Where the settings leave it to the device how the base is held, it has so many `weights`, and `held_as` says how.

        A device for which it is too much has a `problem` and a `cure`; one that could not be foreseen has only a `problem`.
        """
        model, lora, training = (one.model_dump(mode="json") for one in settings)
        asked = {
            "model": model,
            "lora": lora,
            "training": training,
            "base": str(base.absolute()),
            "weights": weights,
            "longest": longest,
            "labelled_share": labelled_share,
            "others": {name: gib_of(name) for name in others},
        }
        self.open()
        assert self.child is not None  # noqa: S101 - it was opened just now
        told, said = self.child.communicate(json.dumps(asked).encode())
        if self.child.returncode:
            last = said.decode(errors="replace").strip().rpartition("\n")[2].partition(":")[0]
            return [{"device": "this machine", "problem": f"the memory planner failed ({last[:80]})"}]
        answer: list[dict[str, Any]] = json.loads(told)
        return answer

    def close(self) -> None:
        """End the process, also one that was never asked."""
        if self.child is not None:
            self.child.kill()
            self.child.communicate()


def main() -> None:
    """Import, read the question, and answer it."""
    start_quickly()
    from tasks.core.fitting import memory  # noqa: F401 - while nobody waits for it yet

    asked: dict[str, Any] = json.loads(sys.stdin.read())
    print(json.dumps(list(_answers(asked))))


def _answers(asked: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    from tasks.core.model.devices import default_device, free_memory, total_memory

    device, processes = default_device(), asked["training"]["processes"]
    yield _of("this machine", device, free_memory(device, processes), total_memory(processes), asked)
    for name, gib in asked["others"].items():
        yield _of(name, "cuda:0", int((gib - CONTEXT) * GIB), int(gib * GIB), asked)


def _of(name: str, device: str, free: int, whole: int, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Foresee one device."""
    from tasks.core.fitting.memory import settle
    from tasks.core.fitting.plan import outline

    lora, training = LoraSettings(**asked["lora"]), TrainingSettings(**asked["training"])
    told = {"device": name, "kind": device.partition(":")[0], "free": free}
    try:
        model = _held(ModelSettings(**asked["model"]), lora, training, asked["weights"], device, whole)
        if asked["model"]["quantization"] == "auto":
            told["held_as"] = model.held_as
        plan = outline(model, lora, training, base=Path(asked["base"]), longest=asked["longest"])
        return told | asdict(settle(plan, asked["labelled_share"], device, free))
    except FreshtuneError as error:
        return told | {"problem": error.message, "cure": error.cure}
    except Exception as error:  # noqa: BLE001 - whatever a family's code does with tensors that hold nothing
        return told | {"problem": f"it cannot be foreseen for this base ({type(error).__name__})"}


def _held(
    model: ModelSettings,
    lora: LoraSettings,
    training: TrainingSettings,
    weights: int,
    device: str,
    memory: int,
) -> ModelSettings:
    """Settle how a device computes and holds the base, as a run there would; one that is only named has the memory of its name."""
    from tasks.core.model.devices import check_mixed, compute_dtype, settled_dtype
    from tasks.core.model.holding import choose_quantization, unquantized_bytes

    check_mixed(model.dtype, device)
    if device == "cpu":  # which is this machine's
        model = model.model_copy(update={"dtype": settled_dtype(model.dtype)})
    if model.quantization != "auto":
        return model
    mine = unquantized_bytes(weights, compute_dtype(model.dtype, device).itemsize, training)
    return model.model_copy(update={"quantization": choose_quantization(mine, lora.method, memory)})


if __name__ == "__main__":
    main()
