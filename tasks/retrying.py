"""Retrying: what asks a service is asked again, and nothing else is."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from tasks.core.errors import FreshtuneError
from tasks.core.report.wording import spoken

P = ParamSpec("P")
R = TypeVar("R")
RETRIES = 3


def question(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of what only asks a service, such as the registry: it is never cached, and asked again when that can help."""
    return task(
        name=name,
        task_run_name=spoken(name),
        retries=RETRIES,
        retry_delay_seconds=delays(RETRIES),
        retry_condition_fn=a_retry_can_help,
    )


def delays(retries: int) -> list[float]:
    """Give the seconds before each retry: 2, 8, 32."""
    return [2.0 * 4**attempt for attempt in range(retries)]


def a_retry_can_help(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Say whether the error is of a class that a retry can help; a plain function, or Prefect never retries."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, FreshtuneError) and error.retryable
