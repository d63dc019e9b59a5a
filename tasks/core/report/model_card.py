"""The model card of a version: what it is, what it learned from, how good it is, its limits, its cost, its licence."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.report.tables import general_words, interval, plain
from tasks.core.report.wording import clock, percent

TEMPLATE = Path(__file__).with_name("model_card.md")
DATA = {"train": "trained on", "held_out": "held out to judge it"}
SHOWN = {
    "loss": ("loss", "{:.3f}"),
    "perplexity": ("perplexity", "{:,.4g}"),
    "token_accuracy": ("token accuracy", "{:.1%}"),
}
WRITTEN = {
    "chrf": ("chrF", "{:.1f}"),
    "rouge_l": ("ROUGE-L", "{:.2f}"),
    "ended": ("came to an end", "{:.0%}"),
}
FEW = 5  # requesters of a slice, below which its figures say little
MARKS = "\\`*_[]<>#|"
COUNTED = {"cpu_joules": "processors", "gpu_joules": "GPUs"}
WATT_HOUR = 3600  # joules

Metrics = Mapping[str, Mapping[str, float]]


def model_card(
    name: str,
    base: str,
    description: str,
    *,
    licence: str,
    dataset: str,
    redacted: bool,
    counts: Mapping[str, int],
    started: str,
    metrics: Metrics,
    verdict: str,
    slices: Sequence[Mapping[str, Any]],
    earlier: str,
    general: Mapping[str, Any],
    steps: Sequence[Mapping[str, float]],
) -> str:
    """Write the card as Markdown, with the front matter that model hubs read; no text of a row is in it.

    `base` is named for people, a hub id with its revision as `id@revision`. `started` says from which version the training went on, empty where it began from the base. `metrics` are the held-out scores by model, `steps` the metrics of the training's steps.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown, of numbers and of names that settings have checked
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    told = [{**one, "slice": _as_words(str(one["slice"]))} for one in slices]
    figures = SHOWN | (WRITTEN if all("chrf" in one for one in metrics.values()) else {})
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=name,
        base=base,
        description=description,
        licence=licence,
        dataset=dataset,
        redacted=redacted,
        data=[(words, counts[part]) for part, words in DATA.items() if part in counts],
        started=started,
        figures=[title for title, _ in figures.values()],
        quality=[
            (who, [form.format(values[figure]) for figure, (_, form) in figures.items()])
            for who, values in metrics.items()
        ],
        verdict=_as_words(verdict),
        slices=told,
        earlier=earlier,
        general=general,
        general_words=general_words,
        limits=list(_limits(metrics, told, general)),
        cost=_cost(steps),
    )


def _as_words(text: str) -> str:
    """Write what may hold the name of a product from the logs so that it is nothing but words, also in a table."""
    return "".join(f"\\{char}" if char in MARKS else char for char in plain(text))


def _limits(
    metrics: Metrics, slices: Sequence[Mapping[str, Any]], general: Mapping[str, Any]
) -> Iterator[str]:
    challenger = metrics["challenger"]
    yield "It repeats what the team has said; where the team was wrong, so is it, and it knows nothing of later days."
    fallen = ", ".join(str(one["slice"]) for one in slices if one["fell"])
    if fallen:
        yield f"It is worse than the model that it was compared with on {fallen}."
    worse = [f"{name} {interval(gain)}" for name, gain in _of_general(general) if gain["high"] < 0]
    if worse:
        yield f"Of general text it foresees less than its base, in nats per token: {'; '.join(worse)}."
    few = ", ".join(str(one["slice"]) for one in slices if one["groups"] < FEW)
    if few:
        yield f"Fewer than {FEW} requesters, so that the figures say little: {few}."
    if challenger.get("replies") and challenger["ended"] < 1:
        yield (
            f"{percent(1 - challenger['ended'])} of its {int(challenger['replies'])} test replies did not come to an end "
            "within the longest reply allowed."
        )


def _of_general(general: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    if general:
        yield "all", general
        yield from general["languages"].items()


def _cost(steps: Sequence[Mapping[str, float]]) -> str:
    seconds, tokens = sum(one["seconds"] for one in steps), sum(one["tokens"] for one in steps)
    told = f"The steps of the training took {clock(seconds)} for {int(tokens):,} tokens."
    energy = [
        f"{sum(one[name] for one in steps) / WATT_HOUR:,.1f} Wh of {words}"
        for name, words in COUNTED.items()
        if all(name in one for one in steps)
    ]
    if not energy:
        return f"{told} Energy was not measured: there was no counter of it that could be read all the time."
    return f"{told} They took {' and '.join(energy)}, as far as there were counters that could be read."
