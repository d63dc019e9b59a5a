"""Retrying: what asks a service is asked again, and nothing else is."""

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from tasks.core.errors import FreshtuneError
from tasks.core.receipts import Record
from tasks.core.report.wording import spoken
from tasks.foresight import foreseeing

P = ParamSpec("P")
R = TypeVar("R")
RETRIES = 3


class Question(Generic[P, R]):
    """A task that only asks a service; a plan asks it without Prefect."""

    def __init__(self, inner: Task[P, R], nobody: Callable[[], R]) -> None:
        self.task, self.nobody = inner, nobody
        functools.update_wrapper(self, inner.fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Ask, again when that can help."""
        foresight = foreseeing()
        if foresight is None:
            return self.task(*args, **kwargs)
        foresight.asked([one.in_key() for one in (*args, *kwargs.values()) if isinstance(one, Record)])
        return self.task.fn(*args, **kwargs) if foresight.has_registry else self.nobody()


def question(name: str, nobody: Callable[[], R]) -> Callable[[Callable[P, R]], Question[P, R]]:
    """Make a task of what only asks the registry: it is never cached, and asked again when that can help.

    `nobody` gives the answer of a registry that is still to be made.
    """

    def put(ask: Callable[P, R]) -> Question[P, R]:
        asked = task(
            name=name,
            task_run_name=spoken(name),
            retries=RETRIES,
            retry_delay_seconds=delays(RETRIES),
            retry_condition_fn=a_retry_can_help,
        )
        return Question(asked(ask), nobody)

    return put


def delays(retries: int) -> list[float]:
    """Give the seconds before each retry: 2, 8, 32."""
    return [2.0 * 4**attempt for attempt in range(retries)]


def a_retry_can_help(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Say whether the error is of a class that a retry can help; a plain function, or Prefect never retries."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, FreshtuneError) and error.retryable
