"""All that a trainer needs to know, as one JSON file that parent and child share."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tasks.core.model.devices import MIXED
from tasks.core.model.methods import FULL
from tasks.core.settings import LoraSettings, ModelSettings, TrainingSettings
from tasks.core.store.syncing import write_whole
from tasks.core.tokens.storing import longest_row

PLAN = "plan.json"
METRICS = "metrics.jsonl"
FACTS = "training.json"
ERROR = "error.json"
LESS = "less_memory.json"
ROOM = "memory.json"
SETTLED = ("micro_tokens", "gradient_checkpointing", "packed", "lanes")


@dataclass(frozen=True)
class FitPlan:
    """One training: where its inputs are, where its results go, and every number that shapes it.

    `packed` keeps 4-bit weights so on a CPU, which otherwise unpacks them once. `micro_tokens` go through the model at once, at least one row, in each of `lanes`; 0 leaves both to the trainer's device; `longest` is the longest row, in tokens. `identity` tells this training from every other, wherever its folders are. `work` keeps checkpoints, metrics and messages across restarts; `output` receives the finished adapter. `parent` is the folder of the adapter that it goes on with, known by `parent_digest`; empty for a new one.
    """

    identity: str
    base: str
    base_identity: str
    tokens: str
    output: str
    work: str
    pad_id: int
    quantization: str
    double_quant: bool
    dtype: str
    attention: str
    method: str
    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    virtual_tokens: int
    packed: bool
    epochs: float
    max_steps: int
    learning_rate: float
    schedule: str
    warmup: float
    weight_decay: float
    clip: float
    batch_tokens: int
    batch_rows: int
    accumulation: int
    micro_tokens: int
    seed: int
    validation: float
    validation_steps: int
    patience: int
    checkpoint_steps: int
    checkpoint_minutes: float
    gradient_checkpointing: bool
    longest: int
    processes: int
    sharding: bool
    timeout_minutes: int
    parent: str = ""
    parent_digest: str = ""
    lanes: int = 1

    @property
    def work_folder(self) -> Path:
        """Give the folder that survives a crash."""
        return Path(self.work)

    @property
    def lora(self) -> LoraSettings:
        """Give the settings of the adapter."""
        return LoraSettings(**{name: getattr(self, name) for name in LoraSettings.model_fields})

    @property
    def rounds(self) -> bool:
        """Say whether products with frozen weights are in bfloat16; `full` has none."""
        return self.dtype == MIXED and self.method != FULL

    def unpacks_on(self, device: str) -> bool:
        """Say whether 4-bit weights are unpacked once, before the training, and not at each use; the planner has found room for it."""
        return (
            self.quantization == "nf4"
            and device.startswith("cpu")
            and not self.packed
            and self.processes == 1
        )

    def save(self) -> Path:
        """Write the plan into its work folder and give its path."""
        path = self.work_folder / PLAN
        path.write_text(json.dumps(asdict(self), indent=1))
        return path


@dataclass(frozen=True)
class Room:
    """What goes through a model at once, whether activations are computed twice, and what that needs of what is free.

    `packed` and `lanes` are as in a plan. `needed` and `free` are bytes on the device; the first is foreseen, or 0 where it could not be:
    for rows of up to `longest` tokens of which a `labelled_share` is learned.
    """

    micro_tokens: int
    gradient_checkpointing: bool
    packed: bool
    needed: int
    free: int
    longest: int = 0
    labelled_share: float = 0.0
    lanes: int = 1

    def of(self, plan: FitPlan) -> FitPlan:
        """Give a plan that goes by it."""
        mine = {name: getattr(self, name) for name in SETTLED}
        return replace(plan, **mine)

    def save(self, plan: FitPlan) -> None:
        """Leave it for the next start of the same training, which is to take the same pieces, and for the parent."""
        write_whole(plan.work_folder / ROOM, json.dumps({"identity": plan.identity, "room": asdict(self)}))


def room_of(plan: FitPlan) -> Room | None:
    """Give what a start of this training left, if one did."""
    try:
        told = json.loads((plan.work_folder / ROOM).read_bytes())
    except FileNotFoundError:
        return None
    return Room(**told["room"]) if told["identity"] == plan.identity else None


def plan_training(
    model: ModelSettings,
    lora: LoraSettings,
    training: TrainingSettings,
    *,
    identity: str,
    base: Path,
    base_identity: str,
    tokens: Path,
    work: Path,
    pad_id: int,
    parent: Path | None = None,
    parent_digest: str = "",
) -> FitPlan:
    """Plan a training as settings say, in `work`; it goes on with the adapter `parent`, if there is one."""
    return replace(
        outline(model, lora, training, base=base, longest=longest_row(tokens)),
        identity=identity,
        base_identity=base_identity,
        tokens=str(tokens.absolute()),
        output=str((work / "adapter").absolute()),
        work=str(work.absolute()),
        pad_id=pad_id,
        parent=str(parent.absolute()) if parent else "",
        parent_digest=parent_digest,
    )


def outline(
    model: ModelSettings, lora: LoraSettings, training: TrainingSettings, *, base: Path, longest: int
) -> FitPlan:
    """Give a plan that lies nowhere, with the numbers alone; by them memory is foreseen."""
    nowhere: dict[str, Any] = dict.fromkeys(("identity", "base_identity", "tokens", "output", "work"), "")
    return FitPlan(
        **nowhere,
        base=str(base.absolute()),
        pad_id=0,
        longest=longest,
        packed=False,
        quantization=model.held_as,
        **model.model_dump(include={"double_quant", "dtype", "attention"}),
        **lora.model_dump(),
        **training.model_dump(exclude={"start", "replay"}),
    )


def load_plan(path: Path) -> FitPlan:
    """Read what `save` wrote."""
    values = json.loads(path.read_bytes())
    return FitPlan(**{**values, "targets": tuple(values["targets"])})
