"""Step calls: a step as a story calls it, and what a plan says of such a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from tasks.core.receipts import Receipt

Fate = Literal["cached", "run", "perhaps"]


class Identity(Protocol):
    """What a step is known by; see `tasks.step_identity`."""

    @property
    def name(self) -> str:
        """Give its name."""

    @property
    def kind(self) -> type[Receipt]:
        """Give the class of its receipts."""

    @property
    def modules(self) -> tuple[str, ...]:
        """Name the modules of its code."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Name the libraries that shape its output."""

    @property
    def confirm(self) -> Callable[[Path, Receipt, Mapping[str, Any]], bool] | None:
        """Give whom it asks whether a stored receipt is still true."""

    def key(self, inputs: Mapping[str, Any]) -> str:
        """Give the cache key of a call."""

    def inputs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Reduce a call to what counts."""


@dataclass(frozen=True)
class Call:
    """A step as a story calls it, with its values and the part of the data; `make` does it."""

    step: Identity
    workspace: Path
    values: Mapping[str, Any]
    part: str
    make: Callable[[], Receipt]

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Give what counts of the values."""
        return self.step.inputs(self.values)


@dataclass(frozen=True)
class ForeseenStep:
    """What one step would do: take its artifact, run, or, where that depends on what an earlier step gives, perhaps run.

    `inputs` are what counts of what it is given. `because` names the step that runs before it and so makes it run, if one does.
    """

    name: str
    part: str
    fate: Fate
    why: str
    effort: float
    because: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
