"""Charts: what the page draws of a run: the course of its training, the lengths of its rows, its gains."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.core.page.data_parts import lengths
from tasks.core.page.drawings import PAINTS, Drawing, drawing, dress, name_axis
from tasks.core.report.figures import smooth
from tasks.core.report.summary import RunSummary
from tasks.core.report.tables import plain

Steps = Sequence[Mapping[str, float]]
MOST_POINTS = 600  # of a curve: more are not seen, and make the page heavy
MOST_ROWS = 24  # of the numbers behind a curve
MOST_SLICES = 12
LABEL = 30  # characters
LINE = {"wide": 26, "narrow": 40}  # pixels from one interval to the next


def draw_charts(summary: RunSummary, steps: Steps) -> dict[str, Drawing]:
    """Draw what there is to draw: `losses` of the training's `steps`, `lengths`, `gains`; what is not known is left out."""
    charts = {
        "losses": losses(steps, summary.metrics),
        "lengths": row_lengths(summary),
        "gains": gains(summary),
    }
    return {name: chart for name, chart in charts.items() if chart}


def losses(steps: Steps, metrics: Mapping[str, Mapping[str, float]]) -> Drawing | None:
    """Draw loss and learning rate by optimizer step, with the losses on watched and on held-out rows.

    Held-out rows are looked at twice: before the first step, which is the base, and after the last.
    """
    if not steps:
        return None
    smoothed = smooth([one["loss"] for one in steps])
    shown = [(one, level) for one, level in zip(steps, smoothed, strict=True)]
    ends = {
        0: metrics.get("base", {}).get("loss"),
        int(steps[-1]["step"]): metrics.get("challenger", {}).get("loss"),
    }
    held = {step: loss for step, loss in ends.items() if loss is not None}

    def draw(figure: Any, narrow: bool) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _draw_losses(upper, _thinned(shown, MOST_POINTS), held)
        lower.plot(
            *_points([one for one, _ in _thinned(shown, MOST_POINTS)], "learning_rate"),
            color=PAINTS["accent"],
            linewidth=1.6,
        )
        lower.set_ylim(bottom=0)
        lower.yaxis.set_major_formatter("{x:g}")
        name_axis(upper, "loss (nats per token)")
        name_axis(lower, "learning rate")
        lower.set_xlabel("optimizer step")
        for axes, ticks in ((upper, 5), (lower, 2)):
            dress(axes, ticks, narrow)
        beside = (
            {"loc": "best"} if narrow else {"loc": "lower right", "bbox_to_anchor": (1, 1.01), "ncols": 3}
        )
        upper.legend(frameon=False, handlelength=1.4, borderaxespad=0, **beside)

    looks = [(int(one["step"]), one["validation_loss"]) for one in steps if "validation_loss" in one]
    said = f"Training loss falls from {smoothed[0]:.3f} to {smoothed[-1]:.3f} nats per token, smoothed, in {len(steps):,} steps."
    if smoothed[-1] >= smoothed[0]:
        said = said.replace("falls", "goes")
    said += "".join(f" Held-out loss after step {step:,}: {loss:.3f}." for step, loss in held.items())
    said += f" Watched rows end at {looks[-1][1]:.3f}." if looks else ""
    return drawing(
        "losses", "Loss and learning rate by optimizer step", said, draw, (340, 320),
        head=("step", "loss", "smoothed", *(["watched rows"] if looks else []), "learning rate"),
        rows=[_step_row(one, level, bool(looks)) for one, level in _told(shown)],
    )  # fmt: skip


def row_lengths(summary: RunSummary) -> Drawing | None:
    """Draw the examples by length; those beyond the longest allowed have a colour of their own."""
    told = lengths(summary)
    if not told:
        return None
    bars = told["bars"]

    def draw(figure: Any, narrow: bool) -> None:
        axes = figure.subplots()
        colours = [PAINTS["over_length" if one["over"] else "accent"] for one in bars]
        axes.bar(range(len(bars)), [one["rows"] for one in bars], width=0.9, color=colours, align="edge")
        every = max(1, math.ceil(len(bars) / (4 if narrow else 8)))
        edges = [number for number in range(len(bars)) if (number + 1) % every == 0]
        axes.set_xticks([number + 0.95 for number in edges], [bars[number]["upto"] for number in edges])
        name_axis(axes, "rows")
        axes.set_xlabel("tokens, up to")
        dress(axes, 4, narrow, whole=False)

    most = max(bars, key=lambda one: one["rows"])
    said = f"Most examples, {most['rows']:,} of {told['rows']:,}, have {most['name']} tokens; the longest has {told['longest']:,}."
    return drawing(
        "lengths", "Examples by their length in tokens", said, draw, (220, 200),
        head=("tokens", "rows"), rows=[(one["name"], f"{one['rows']:,}") for one in bars],
    )  # fmt: skip


def gains(summary: RunSummary) -> Drawing | None:
    """Draw the challenger's gain with its interval, on all rows and slice by slice, the worst slices first.

    It is over the champion, or over the base where there is none. An interval without an end is told and not drawn.
    """
    rival = "champion" if "champion" in summary.gains else "base"
    if rival not in summary.gains:
        return None
    worst = sorted(summary.slices, key=lambda one: one["mean"])
    lines = [{"slice": "all held-out rows", "fell": False, **summary.gains[rival]}, *worst]
    drawn = [
        one for one in lines[: MOST_SLICES + 1] if all(math.isfinite(one[end]) for end in ("low", "high"))
    ]
    if not drawn:
        return None
    least = summary.settings.get("gate", {}).get("min_gain") or 0

    def draw(figure: Any, narrow: bool) -> None:
        axes = figure.subplots()
        for place, one in enumerate(drawn):
            _draw_gain(axes, -place, one, narrow)
        axes.axvline(0, color=PAINTS["soft"], linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        if least:
            axes.axvline(least, color=PAINTS["held"], linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        axes.set_xlabel(
            "nats per token"
            + (f"; dotted: the {least:g} that the gate asks for" if least and not narrow else "")
        )
        axes.set_ylim(-len(drawn) + 0.4, 0.75 if narrow else 0.6)
        dress(axes, 5, narrow, whole=False, grid="x")
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:+g}" if value else "0")
        places = [] if narrow else [(-place, _label(one)) for place, one in enumerate(drawn)]
        axes.set_yticks([place for place, _ in places], [label for _, label in places])
        for text in axes.get_yticklabels():
            text.set_color(PAINTS["ink"])

    first = lines[0]
    said = f"On all held-out rows the gain over the {rival} is {first['mean']:+.3f}, interval {first['low']:+.3f} to {first['high']:+.3f} nats per token."
    if worst:
        said += f" The worst slice is {_name(worst[0])} with {worst[0]['mean']:+.3f}."
    heights = (len(drawn) * LINE["wide"] + 56, len(drawn) * LINE["narrow"] + 56)
    return drawing(
        "gains", f"Gain of the challenger over the {rival}", said, draw, heights,
        head=("rows of", "gain", "from", "to", "rows", "requesters", "fell"),
        rows=list(_gain_rows(lines)),
    )  # fmt: skip


def _draw_losses(
    axes: Any, shown: Sequence[tuple[Mapping[str, float], float]], held: Mapping[int, float]
) -> None:
    steps = [one for one, _ in shown]
    alone = (
        {"marker": "o", "markersize": 5} if len(steps) == 1 else {}
    )  # a line through one point is invisible
    axes.plot(*_points(steps, "loss"), color=PAINTS["pale"], linewidth=1, label="each step")
    axes.plot(
        *_points(steps, "loss")[:1],
        [level for _, level in shown],
        color=PAINTS["accent"],
        linewidth=2.2,
        label="smoothed",
        **alone,
    )
    watched = [one for one in steps if "validation_loss" in one]
    if watched:
        axes.plot(
            *_points(watched, "validation_loss"),
            "o",
            color=PAINTS["warn"],
            markersize=5,
            label="watched rows",
        )
    if held:
        axes.plot(
            *zip(*held.items(), strict=True), "D", color=PAINTS["held"], markersize=7, markeredgecolor=PAINTS["card"],
            label="held-out rows", clip_on=False, zorder=5,
        )  # fmt: skip
    axes.set_ylim(bottom=0)


def _draw_gain(axes: Any, place: float, one: Mapping[str, Any], narrow: bool) -> None:
    whole = place == 0
    paint = PAINTS["bad" if one["fell"] else "accent"]
    axes.plot(
        [one["low"], one["high"]],
        [place, place],
        color=paint,
        linewidth=5 if whole else 3,
        alpha=0.45,
        solid_capstyle="round",
    )
    axes.plot([one["mean"]], [place], "D" if whole else "o", color=paint, markersize=8 if whole else 6)
    words = f"{one['mean']:+.3f}"
    side = {"transform": axes.get_yaxis_transform(), "color": PAINTS["ink"], "va": "center"}
    if narrow:
        axes.text(0, place + 0.45, _label(one), ha="left", **side)
        axes.text(1, place + 0.45, words, ha="right", **side)
    else:
        axes.text(1.02, place, words, ha="left", **side)


def _name(one: Mapping[str, Any]) -> str:
    """Give the name of a slice in characters that can be seen: XML cannot hold all others."""
    return "".join(char for char in plain(str(one["slice"])) if char.isprintable())


def _label(one: Mapping[str, Any]) -> str:
    name = _name(one)
    return (name if len(name) <= LABEL else f"{name[: LABEL - 1]}…") + (" (fell)" if one["fell"] else "")


def _gain_rows(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for one in lines:
        figures = (f"{one[name]:+.3f}" for name in ("mean", "low", "high"))
        counts = (f"{one[name]:,.0f}" if name in one else "" for name in ("rows", "groups"))
        yield _name(one), *figures, *counts, "yes" if one["fell"] else "no"


def _points(rows: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    known = [one for one in rows if name in one]
    return [one["step"] for one in known], [one[name] for one in known]


def _thinned(rows: Sequence[Any], most: int) -> list[Any]:
    """Give at most about `most` of the rows, evenly, the first and the last among them."""
    every = math.ceil(len(rows) / most)
    return [one for number, one in enumerate(rows) if number % every == 0 or number == len(rows) - 1]


def _told(shown: Sequence[tuple[Mapping[str, float], float]]) -> list[tuple[Mapping[str, float], float]]:
    """Give the steps whose numbers are told: some, evenly, and every one at which rows were watched."""
    some = {id(one) for one, _ in _thinned(shown, MOST_ROWS)}
    return [(one, level) for one, level in shown if id(one) in some or "validation_loss" in one]


def _step_row(one: Mapping[str, float], level: float, watched: bool) -> tuple[str, ...]:
    looked = [f"{one['validation_loss']:.4f}" if "validation_loss" in one else ""] if watched else []
    rate = f"{one['learning_rate']:.3g}" if "learning_rate" in one else ""
    return f"{one['step']:,.0f}", f"{one['loss']:.4f}", f"{level:.4f}", *looked, rate
