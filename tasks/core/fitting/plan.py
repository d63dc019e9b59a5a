"""All that a trainer needs to know, as one JSON file that parent and child share."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.core.model.devices import default_device, tokens_at_once
from tasks.core.settings import LoraSettings, ModelSettings, TrainingSettings
from tasks.core.tokens.storing import longest_row

PLAN = "plan.json"
METRICS = "metrics.jsonl"
FACTS = "training.json"
ERROR = "error.json"
LESS = "less_memory.json"


@dataclass(frozen=True)
class FitPlan:
    """One training: where its inputs are, where its results go, and every number that shapes it.

    `micro_tokens` go through the model at once, at least one row; `longest` is the longest row, in tokens. `identity` tells this training from every other, wherever its folders are. `work` keeps checkpoints, metrics and messages across restarts; `output` receives the finished adapter.
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
    timeout_minutes: int

    @property
    def work_folder(self) -> Path:
        """Give the folder that survives a crash."""
        return Path(self.work)

    def save(self) -> Path:
        """Write the plan into its work folder and give its path."""
        path = self.work_folder / PLAN
        path.write_text(json.dumps(asdict(self), indent=1))
        return path


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
) -> FitPlan:
    """Plan a training as settings say, in `work`; what they leave to the device is decided here."""
    settled = {
        "micro_tokens": training.micro_tokens or tokens_at_once(default_device(), training.batch_tokens)
    }
    return FitPlan(
        identity=identity,
        base=str(base.absolute()),
        base_identity=base_identity,
        tokens=str(tokens.absolute()),
        output=str((work / "adapter").absolute()),
        work=str(work.absolute()),
        pad_id=pad_id,
        longest=longest_row(tokens),
        **model.model_dump(include={"quantization", "double_quant", "dtype", "attention"}),
        **lora.model_dump(),
        **{**training.model_dump(), **settled},
    )


def load_plan(path: Path) -> FitPlan:
    """Read what `save` wrote."""
    values = json.loads(path.read_bytes())
    return FitPlan(**{**values, "targets": tuple(values["targets"])})
