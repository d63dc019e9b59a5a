"""What the registry shows of a version: a description for people, and figures beside the curve of the training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Figures = list[tuple[str, float, int]]


def describe(
    base: str, trained: int, steps: int, metrics: Mapping[str, Mapping[str, float]], proof: Mapping[str, Any]
) -> str:
    """Describe a version in words: what it learned from, how much better it is, and that the merge is true.

    `trained` counts conversations; `metrics` are the held-out scores by model.
    """
    challenger = metrics["challenger"]
    rivals = [f"{metrics[who]['loss']:.3f} of the {who}" for who in ("base", "champion") if who in metrics]
    return (
        f"LoRA on {base}, trained on {trained:,} conversations in {steps:,} steps. Held-out loss "
        f"{challenger['loss']:.3f} nats per token on {int(challenger['rows']):,} rows, against {' and '.join(rivals)}. "
        f"Merged into the {proof['merged_into']}: logits differ by at most {proof['max_abs_diff']:.2g}."
    )


def note(description: str) -> str:
    """Give the note of an MLflow run: its description, and where the rest is."""
    return (
        f"{description}\n\n- **Artifacts → report/public_report.html**: the run on one page, without text from the logs\n"
        "- **Artifacts → model**: the merged model; **model/artifacts/adapter**: the adapter alone\n"
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


def times_of(steps: Sequence[Mapping[str, float]], ended: float) -> dict[int, float]:
    """Say when each step of a training that ended at `ended` was done, in seconds since 1970."""
    times, at = {}, ended
    for row in reversed(steps):
        times[int(row["step"])] = at
        at -= row["seconds"]
    times[0] = at
    return times


def _figures(prefix: str, values: Mapping[str, float]) -> Figures:
    return [(f"{prefix}/{name}", float(value), 0) for name, value in values.items() if math.isfinite(value)]
