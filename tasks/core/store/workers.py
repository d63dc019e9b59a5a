"""Workers: a craft runs over chunks of a shard on every core, or here when there is little to do.

Workers are forked from a clean server process, never from this one with its threads, and die with it.
"""

import atexit
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from threading import Lock
from typing import Any, TypeVar

from tasks.core.errors import HardwareError
from tasks.core.store.lifelines import die_with_parent

T = TypeVar("T")
LOCK = Lock()
PRELOADED = ["tasks.core.intake.collecting", "tasks.core.text.chunks"]
FEW = 2  # chunks; starting workers costs about a second, which fewer do not win back


def map_chunks(craft: Callable[..., T], chunks: Sequence[Any], *arguments: Any) -> Iterator[T]:
    """Give `craft(chunk, *arguments)` for every chunk, in order.

    The craft is a module's function that gives plain values. Raises `HardwareError` when a worker was killed.
    """
    if len(chunks) <= FEW or cores() == 1:
        yield from (craft(chunk, *arguments) for chunk in chunks)
        return
    with LOCK:  # shards that are prepared side by side share one pool
        pool = _pool()
    try:
        yield from pool.map(craft, chunks, *([one] * len(chunks) for one in arguments))
    except BrokenProcessPool as error:
        _pool.cache_clear()
        raise HardwareError(
            "A worker process was killed, most likely for want of memory.",
            cure="Free some memory, then start again: complete shards come from the store.",
        ) from error


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


@cache
def _pool() -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    pool = ProcessPoolExecutor(cores(), mp_context=context, initializer=_begin)
    atexit.register(pool.shutdown, wait=False, cancel_futures=True)
    return pool


def _begin() -> None:
    """End with the parent; the keyboard is its business."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
