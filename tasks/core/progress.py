"""Progress: how far a long piece of work is, told to whoever listens; nobody need.

Crafts say how far they are, and know nothing of terminals or servers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int, str], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("freshtune_progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell `listener` of the work in this context: what is done, of how much, and of what."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell_progress(done: int, of: int, what: str) -> None:
    """Say that `done` of so many things are done, as `tell_progress(3, 150, "rows scored")`."""
    listener = _LISTENER.get()
    if listener:
        listener(done, of, what)
