"""Showing: what Prefect's pages say of a step: its name, its tags, and the arrows to those that use its receipt."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, TypeVar

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.tasks import Task
from prefect.utilities.engine import link_state_to_task_run_result

from tasks.core.receipts import FixedRows, LogFile, LogShard, Receipt
from tasks.core.report.receipt_texts import title_of

R = TypeVar("R", bound=Receipt)
GPU = "gpu"  # the tag of steps that use one where there is one, and take long where there is none
LOCK = Lock()
WHOSE = "who"  # the argument that names the model a step scores

_TITLE: ContextVar[str] = ContextVar("freshtune_title", default="")


@contextmanager
def titled(name: str) -> Iterator[None]:
    """Let steps in this context bear a title in place of their names; in their keys it is not."""
    token = _TITLE.set(name)
    try:
        yield
    finally:
        _TITLE.reset(token)


def title() -> str:
    """Give the title that steps bear here; empty where they go by their names."""
    return _TITLE.get()


def named_task(task: Task[..., R], step: str, part: str, *, uses_gpu: bool) -> Task[..., R]:
    """Give a task whose run has a name that people read, and the tag `gpu` only where one is used."""
    name = (title() or title_of(step, part)).replace("{", "{{").replace("}", "}}")
    tags = task.tags | {GPU} if uses_gpu and _has_gpu() else task.tags
    return task.with_options(task_run_name=name, tags=tags)


def part_of(values: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """Say which part of the data, or which model, a step works on; empty when it is all of it.

    `known` names the part that an artifact is of, by its digest.
    """
    return title() or str(values.get(WHOSE, "")) or data_part_of(values, known)


def data_part_of(values: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """Say which part of the data a step works on, and so what it makes is of."""
    return next((part for value in values.values() if (part := _part(value, known))), "")


def link_receipt(state: State[Any], receipt: Receipt) -> None:
    """Let Prefect draw an arrow from this step to those that get its receipt, or a part of it, and no other.

    Prefect remembers the fields of a result by their address: the text `base` or a digest that two receipts share, or
    whatever comes to lie where a dropped record was, would look as if it came from here.
    """
    context = FlowRunContext.get()
    if context is None:
        return
    with LOCK:
        for one in (*getattr(receipt, "parts", ()), *getattr(receipt, "shards", ()), receipt):
            if isinstance(one, Receipt):
                link_state_to_task_run_result(state, one)
        for address in [address for address, (*_, held) in list(context.run_results.items()) if held is None]:
            context.run_results.pop(address, None)


def _part(value: Any, known: Mapping[str, str]) -> str:
    if isinstance(value, LogShard):
        return value.name + (f" from line {value.first_line:,}" if value.first_line > 1 else "")
    if isinstance(value, LogFile):
        return value.name
    if isinstance(value, FixedRows):
        return "fixed rows"
    return known.get(value.digest, "") if isinstance(value, Receipt) else ""


def _has_gpu() -> bool:
    """Say whether a step that can use a GPU has one; the data chapter never imports torch to find out."""
    torch = sys.modules.get("torch")
    return bool(torch and torch.cuda.is_available())
