"""The space of a sweep: which settings are tried, with which values.

A point of it has a value for each, by its name in the settings: `{"lora.rank": 16, "training.learning_rate": 2e-4}`.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from tasks.core.settings import Range, Section, Settings
from tasks.core.store.digests import digest_value

Point = dict[str, Any]
Dimension = tuple[Any, ...] | Range[Any]
Space = dict[str, Dimension]

TRIED = {
    "lora.rank": "rank",
    "training.learning_rate": "learning_rate",
    "lora.targets": "targets",
    "training.epochs": "epochs",
}
WATCHED = 0.1
"""Share of the training requesters that trials are compared on, where `training.validation` is 0."""
DIGITS = 3  # of a drawn number: it can be said, and be set again


def space_of(settings: Settings) -> Space:
    """Give what is tried of each setting; what the method of `lora` does not use is not.

    Trials that go on from a champion have its adapter's shape.
    """
    goes_on = settings.training.start == "champion"
    used = set[str]() if goes_on else {f"lora.{name}" for name in settings.lora.in_key()}
    return {
        name: getattr(settings.sweep, field)
        for name, field in TRIED.items()
        if name in used or not name.startswith("lora.")
    }


def points_of(space: Space) -> list[Point] | None:
    """List the points of a space; None where a range has more than anybody counts."""
    values = list[list[Any]]()
    for dimension in space.values():
        if not isinstance(dimension, Range):
            values.append(list(dict.fromkeys(dimension)))
        elif isinstance(dimension.low, int):
            values.append(list(range(dimension.low, dimension.high + 1)))
        else:
            return None
    return [dict(zip(space, point, strict=True)) for point in product(*values)]


def own_point(settings: Settings, space: Space) -> Point | None:
    """Give the point that the settings are themselves; None where it lies outside."""
    point = {name: _value(settings, name) for name in space}
    return point if all(_has(space[name], value) for name, value in point.items()) else None


def with_point(settings: Settings, point: Mapping[str, Any]) -> Settings:
    """Give the settings with the values of a point."""
    changed: dict[str, dict[str, Any]] = {}
    for name, value in point.items():
        section, _, field = name.partition(".")
        changed.setdefault(section, {})[field] = tuple(value) if isinstance(value, list) else value
    sections = {name: getattr(settings, name).model_copy(update=fields) for name, fields in changed.items()}
    return settings.model_copy(update=sections)


def sweep_key(rows_digest: str, base_digest: str, settings: Settings) -> str:
    """Tell a sweep from every other: by its data, its base and its settings; with more trials it is the same."""
    sections = (settings.model.without_source(), settings.lora, settings.training, settings.sweep)
    return digest_value([rows_digest, base_digest, *(one.in_key() for one in sections)])[:32]


def space_words(space: Space) -> dict[str, str]:
    """Say by setting what is tried: `8, 16, 32`, or `5e-05 to 0.005`."""
    return {
        name: f"{dimension.low:g} to {dimension.high:g}"
        if isinstance(dimension, Range)
        else ", ".join("+".join(value) if isinstance(value, tuple) else f"{value:g}" for value in dimension)
        for name, dimension in space.items()
    }


def watched_words(settings: Settings) -> str:
    """Say what trials are compared on, where the settings of a run did not say it."""
    return (
        f"training.validation is 0, so trials are compared on the rows of {100 * settings.training.validation:g} % of the training "
        "requesters, which they are not trained on; the final training has all rows."
    )


def few_words(count: int, settings: Settings) -> str:
    """Say why there are fewer trials than the settings want."""
    return f"There were {count:,} settings to try, and sweep.trials is {settings.sweep.trials:,}."


def for_trials(settings: Settings) -> Settings:
    """Give the settings that trials begin with: rows to compare them on are taken out of the training rows.

    Where the final training watches none, a trial is trained to its end as that is, whatever `training.patience` says.
    """
    if settings.training.validation:
        return settings
    training = settings.training.model_copy(update={"validation": WATCHED, "patience": 0})
    return settings.model_copy(update={"training": training})


def words_of(point: Mapping[str, Any]) -> str:
    """Say a point as people do: `rank 16, rate 2e-4, attention, 2 epochs`."""
    return ", ".join(WORDS[name](value) for name, value in point.items())


def tried_words(name: str, value: Any) -> str:
    """Say the value of one setting alone, as in a table: `16`, `2e-4`, `attention`."""
    if isinstance(value, list | tuple):
        return " + ".join(value)
    return rate_words(value) if name == "training.learning_rate" else f"{value:g}"


def rate_words(rate: float) -> str:
    """Write a learning rate: `2e-4`."""
    mantissa, _, exponent = f"{rate:.{DIGITS - 1}e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def rounded(value: float, dimension: Range[Any]) -> float:
    """Round a drawn number to what people write, within its range."""
    return float(min(max(float(f"{value:.{DIGITS}g}"), dimension.low), dimension.high))


WORDS: dict[str, Callable[[Any], str]] = {
    "lora.rank": lambda rank: f"rank {rank}",
    "training.learning_rate": lambda rate: f"rate {rate_words(rate)}",
    "lora.targets": " + ".join,
    "training.epochs": lambda epochs: f"{epochs:g} epoch{'' if epochs == 1 else 's'}",
}


def _value(settings: Settings, name: str) -> Any:
    section, _, field = name.partition(".")
    mine: Section = getattr(settings, section)
    return getattr(mine, field)


def _has(dimension: Dimension, value: Any) -> bool:
    return dimension.low <= value <= dimension.high if isinstance(dimension, Range) else value in dimension
