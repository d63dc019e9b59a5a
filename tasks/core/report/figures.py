"""Figures: the loss curve as a PNG, the same bytes for the same metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

SMOOTHING = 0.9
ACCENT, PALE, INK = "#0f766e", "#99d5cf", "#334155"


def loss_curve(metrics: Sequence[Mapping[str, float]], target: Path) -> None:
    """Draw training loss by optimizer step, as measured and smoothed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [row["step"] for row in metrics]
    losses = [row["loss"] for row in metrics]
    figure = Figure(figsize=(8, 3.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(steps, losses, color=PALE, linewidth=1, label="each step")
    axes.plot(steps, smooth(losses), color=ACCENT, linewidth=2.2, label="smoothed")
    axes.set_xlabel("optimizer step", color=INK)
    axes.set_ylabel("training loss (nats per token)", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e2e8f0", linewidth=0.8)
    axes.tick_params(colors=INK)
    axes.legend(frameon=False, labelcolor=INK)
    figure.savefig(target, metadata={"Software": None})


def smooth(values: Sequence[float]) -> list[float]:
    """Give the exponential moving average, unbiased at the beginning."""
    mean, weight, smoothed = 0.0, 0.0, []
    for value in values:
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        smoothed.append(mean / weight)
    return smoothed
