"""What the registry shows of a version: a description for people, and figures beside the curve of the training."""

import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

Figures = list[tuple[str, float, int]]
METHODS = {
    "lora": "LoRA on",
    "rslora": "Rank-stabilized LoRA on",
    "dora": "DoRA on",
    "pissa": "PiSSA on",
    "prefix": "Prefix tuning on",
    "prompt": "Prompt tuning on",
    "full": "All weights of",
}
SHOWN = (
    "loss",
    "validation_loss",
    "learning_rate",
    "gradient_norm",
    "tokens_per_second",
    "memory_mib",
    "cpu_joules",
    "gpu_joules",
)


def describe(
    method: str,
    base: str,
    trained: int,
    steps: int,
    metrics: Mapping[str, Mapping[str, float]],
    proof: Mapping[str, Any],
) -> str:
    """Describe a version in words: what it learned from, how much better it is, and that the merge is true.

    `trained` counts conversations; `metrics` are the held-out scores by model.
    """
    place = (
        f"Merged into the {proof['merged_into']}"
        if "merged_into" in proof
        else f"Beside the {proof['beside']}"
    )
    challenger = metrics["challenger"]
    rivals = [f"{metrics[who]['loss']:.3f} of the {who}" for who in ("base", "champion") if who in metrics]
    return (
        f"{METHODS[method]} {base}, trained on {trained:,} conversations in {steps:,} steps. Held-out loss "
        f"{challenger['loss']:.3f} nats per token on {int(challenger['rows']):,} rows, against {' and '.join(rivals)}. "
        f"{place}: logits differ by at most {proof['max_abs_diff']:.2g}."
    )


def note(description: str) -> str:
    """Give the note of an MLflow run: its description, and where the rest is."""
    return (
        f"{description}\n\n- **Artifacts → report/public_report.html**: the run on one page, without text from the logs\n"
        "- **Artifacts → model**: the merged model, its card in **model/artifacts/model/README.md**; "
        "**model/artifacts/adapter**: the adapter alone\n"
        "- **Metrics → train**: the curve of the training; `base`, `challenger`, `champion`: held-out scores\n"
    )


def base_name(identity: str, config: Mapping[str, Any]) -> str:
    """Name a base for people: its hub id with revision, or of a folder its family and the beginning of its digest."""
    if "@" in identity:
        return identity
    return f"{config.get('model_type', 'a base')} {identity[:12]}"


def run_figures(rows: Mapping[str, int], proof: Mapping[str, Any]) -> Figures:
    """Give row counts and the proof of the merge as metrics."""
    numbers = {
        name: value
        for name, value in proof.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return _figures("rows", rows) + _figures("merge", numbers)


def gain_figures(gains: Mapping[str, Mapping[str, float]]) -> Figures:
    """Give gains with their intervals as metrics; an end that is not finite is left out."""
    return [figure for who, gain in gains.items() for figure in _figures(f"gain_over_{who}", gain)]


def harness_figures(harness: Mapping[str, Mapping[str, float]]) -> Figures:
    """Give figures on tasks of lm-eval as metrics, in the characters that MLflow takes."""
    return [
        figure
        for who, values in harness.items()
        for figure in _figures(
            f"{who}/harness", {re.sub(r"[^\w./ -]", "_", name): value for name, value in values.items()}
        )
    ]


def training_figures(steps: Iterable[Mapping[str, float]]) -> Figures:
    """Give the curve of a training as metrics."""
    return [(f"train/{name}", row[name], int(row["step"])) for row in steps for name in SHOWN if name in row]


def times_of(steps: Iterable[Mapping[str, float]]) -> dict[int, float]:
    """Say when each step of a training was done, in seconds since 1970."""
    return {int(row["step"]): row["time"] for row in steps}


def run_name(model: str, began: float) -> str:
    """Name a run by the model that it makes, and by when it began."""
    return f"{model} {time.strftime('%Y-%m-%d %H:%M', time.localtime(began))}"


def _figures(prefix: str, values: Mapping[str, float]) -> Figures:
    return [(f"{prefix}/{name}", float(value), 0) for name, value in values.items() if math.isfinite(value)]
