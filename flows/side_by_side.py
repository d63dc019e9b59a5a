"""Side by side: while workers have one shard's rows, another's are read, checked or written here."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from tasks.journal import JOURNAL, Journal, journal

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 2  # more would only take memory: the workers are as many as the cores


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Give `work(item)` of every item, in order; the run's journal has the steps in that order too.

    Raises what the first item that failed raised, once those under way have ended; later ones are not begun.
    """
    given = list(items)
    if len(given) < 2:
        return [work(item) for item in given]
    followed = journal()
    branches = [followed.branch() for _ in given]
    contexts = [copy_context() for _ in given]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="shard") as pool:
        try:
            futures = [
                pool.submit(context.run, _on_branch, branch, work, item)
                for context, branch, item in zip(contexts, branches, given, strict=True)
            ]
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)
            for branch in branches:
                followed.join(branch)


def _on_branch(branch: Journal, work: Callable[[T], R], item: T) -> R:
    JOURNAL.set(branch)
    return work(item)
