"""Figures: the loss curve as a PNG, the same bytes for the same metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SPREAD = 1 / 50  # of the steps, as the standard deviation of the smoothing
ACCENT, PALE, INK, SOFT, RULE = "#0f766e", "#8ccfc6", "#1f2933", "#5f6f7f", "#e3e8ee"
WATCHED = "#b45309"


def loss_curve(metrics: Sequence[Mapping[str, float]], target: Path) -> None:
    """Draw training loss by optimizer step: as measured, smoothed, and on watched rows where `validation_loss` is.

    The file holds neither date nor version, and the style is matplotlib's own whatever a `matplotlibrc` says.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        figure = Figure(figsize=(5.6, 2.9), dpi=220, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        _draw(axes, metrics)
        _dress(axes)
        figure.savefig(target, metadata={"Software": None})


def smooth(values: Sequence[float]) -> list[float]:
    """Give the mean of each value's neighbours on both sides, weighted by a Gaussian: a curve that does not lag."""
    import numpy as np

    if len(values) < 3:
        return list(values)
    sigma = max(1.0, SPREAD * len(values))
    reach = min(int(3 * sigma), (len(values) - 1) // 2)  # numpy's "same" is as long as the longer of the two
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = np.convolve(np.ones(len(values)), kernel, "same")
    return [float(value) for value in np.convolve(values, kernel, "same") / weights]


def _draw(axes: Any, metrics: Sequence[Mapping[str, float]]) -> None:
    steps, losses = [row["step"] for row in metrics], [row["loss"] for row in metrics]
    alone = (
        {"marker": "o", "markersize": 4} if len(steps) == 1 else {}
    )  # a line through one point is invisible
    axes.plot(steps, losses, color=PALE, linewidth=0.9, label="each step")
    axes.plot(steps, smooth(losses), color=ACCENT, linewidth=2.2, label="smoothed", **alone)
    watched = [(row["step"], row["validation_loss"]) for row in metrics if "validation_loss" in row]
    if watched:
        axes.plot(*zip(*watched, strict=True), "o", color=WATCHED, markersize=5, label="watched rows")


def _dress(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("optimizer step", color=SOFT)
    axes.set_ylabel("loss (nats per token)", color=SOFT)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.margins(x=0.01)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, length=0, pad=6)
    axes.legend(frameon=False, labelcolor=INK, loc="upper right", ncols=3, handlelength=1.6)
