"""Effort: how much a step has to do, in units of its own, known before it begins; times are foretold by it.

Rows for what goes over rows, bytes for what reads files, and weights times tokens for what computes with a model.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.core.model.headers import weights_in
from tasks.core.receipts import BaseModel, BaseSource, LogFile, LogShard, Receipt, TokenRows, WarmStart
from tasks.core.settings import EvaluationSettings, TrainingSettings

THERE_AND_BACK, TWICE = 4, 6
"""Operations for each weight and token: without a gradient of its own, or computed twice."""
SURE = 0.7  # share of the shorter of two lengths in the longer, from which on batches that are not full may turn them
Values = Mapping[str, Any]


def effort_of(step: str, workspace: Path, values: Values) -> float:
    """Give how much a step has to do with the values that it is called with; 0 where nobody can say."""
    try:
        return WAYS.get(step, _rows_or_bytes)(workspace, values)
    except (OSError, ValueError):  # what it is made from is not here, or not what it is called
        return 0.0


def trained_tokens(rows: TokenRows, training: TrainingSettings) -> float:
    """Foretell how many tokens a training goes over, in all of its passes."""
    whole = training.epochs * rows.counts.get("tokens", 0)
    return min(whole, _until_last_step(rows, training)) if training.max_steps else whole


def length_of_training(rows: TokenRows, training: TrainingSettings) -> str:
    """Name the setting that says how long a training is: its passes or its steps; empty where it is too near to tell."""
    if not training.max_steps:
        return "training.epochs"
    whole = training.epochs * rows.counts.get("tokens", 0)
    share = training.processes * _until_last_step(rows, training) / max(whole, 1)
    if SURE <= share <= 1 / SURE:
        return ""
    return "training.max_steps" if share < 1 else "training.epochs"


def _until_last_step(rows: TokenRows, training: TrainingSettings) -> float:
    mean = rows.counts.get("tokens", 0) / max(rows.counts.get("train", 0), 1)
    batch = training.batch_rows * mean if training.batch_rows else training.batch_tokens
    return training.max_steps * batch * training.accumulation


def bytes_of(folder: Path) -> int:
    """Give the size of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _rows_or_bytes(_workspace: Path, values: Values) -> float:
    """Take the bytes of logs where a step is given any, else the rows of its receipts, else one."""
    shards = [value for value in values.values() if isinstance(value, LogShard)]
    if shards:
        return float(sum(shard.length for shard in shards))
    files = [value for value in values.values() if isinstance(value, LogFile)]
    if files:
        return float(sum(_size(file) for file in files))
    return float(max((_rows(value) for value in values.values()), default=0)) or 1.0


def _size(file: LogFile) -> int:
    place = Path(file.location)
    return place.stat().st_size if place.is_file() else 0


def _rows(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(_rows(one) for one in value)
    return value.counts.get("kept", 0) if isinstance(value, Receipt) else 0


def _training(workspace: Path, values: Values) -> float:
    training: TrainingSettings = values["training"]
    twice = training.gradient_checkpointing or values["lora"].method == "full"
    work, rows = TWICE if twice else THERE_AND_BACK, values["rows"]
    start: WarmStart | None = values.get("start")
    share = start.rows.counts["train"] / max(rows.counts["train"], 1) if start else 1.0
    return work * share * _weights_here(workspace, values["base"]) * trained_tokens(rows, training)


def _evaluation(workspace: Path, values: Values) -> float:
    rows: TokenRows = values["rows"]
    evaluation: EvaluationSettings = values["evaluation"]
    held_out = rows.counts.get("held_out", 0)
    read = rows.counts.get("tokens", 0) * held_out / max(rows.counts.get("train", 0), 1)
    written = min(evaluation.generated, held_out) * evaluation.max_new_tokens
    return _weights_here(workspace, values["base"]) * (read + written)


def _base(workspace: Path, values: Values) -> float:
    return float(max((_bytes_here(workspace, value) for value in values.values()), default=0))


def _bytes_here(workspace: Path, value: Any) -> int:
    if isinstance(value, BaseSource):
        return bytes_of(value.folder) if value.folder else 0
    return bytes_of(value.folder(workspace)) if isinstance(value, BaseModel) else 0


def _weights_here(workspace: Path, base: BaseModel) -> int:
    return sum(map(weights_in, base.folder(workspace).glob("*.safetensors")))


def _once(_workspace: Path, _values: Values) -> float:
    return 1.0


WAYS: dict[str, Callable[[Path, Values], float]] = {
    "adapter_training": _training,
    "evaluation": _evaluation,
    "base_fetching": _base,
    "base_quantization": _base,
    "merging": _base,
    "registration": _base,
    "gating": _once,
    "promotion": _once,
    "champion_fetching": _once,
}
