"""Pruning: a sweep looks at a trial while it is trained, and may end it.

What it says goes by the losses alone, never by the clock, so that a start again ends the same trials at the same steps.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Look = Callable[[Mapping[str, float]], None]

_LOOK: ContextVar[Look | None] = ContextVar("freshtune_look", default=None)


@contextmanager
def looked_at(look: Look) -> Iterator[None]:
    """Let `look` see every step of a training in this context; what it raises ends the trainer at a checkpoint."""
    token = _LOOK.set(look)
    try:
        yield
    finally:
        _LOOK.reset(token)


def is_looked_at() -> bool:
    """Say whether somebody looks at trainings here."""
    return _LOOK.get() is not None


def look_at(metrics: Mapping[str, float]) -> None:
    """Show the metrics of a step to whoever looks."""
    look = _LOOK.get()
    if look:
        look(metrics)
