"""The lid of every step: its cache key, lock, retries and artifacts, as one decorator.

A step is written as `work(draft, …) -> Receipt` and called as `step(workspace, …)`. The Prefect result record
lies inside the artifact's own folder, so deleting the folder is deleting the cache entry.
"""

import functools
import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

import pydantic
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task

from tasks.core.errors import FreshtuneError
from tasks.core.receipts import BaseSource, LogFile, Receipt
from tasks.core.store.artifacts import RECORD, Draft, damage, drafting, find, locked, set_aside
from tasks.core.store.keys import code_digest, key_of

P = ParamSpec("P")
R = TypeVar("R", bound=Receipt)
Confirm = Callable[[Path, Receipt, Mapping[str, Any]], bool]
logger = logging.getLogger("freshtune")


@dataclass
class StepRun:
    """What one step did in this run."""

    name: str
    state: str
    cached: bool
    seconds: float


@dataclass
class Journal:
    """What the steps of one run did, in order, what was found damaged, what another run built, what went wrong."""

    steps: list[StepRun] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    error: FreshtuneError | None = None
    on_step: Callable[[StepRun], None] | None = None

    def add(self, run: StepRun) -> None:
        """Note a finished step and tell whoever watches."""
        self.steps.append(run)
        if self.on_step:
            self.on_step(run)


JOURNAL: ContextVar[Journal | None] = ContextVar("freshtune_journal", default=None)


def journal() -> Journal:
    """Give the journal of the run in this context; opens one when there is none."""
    current = JOURNAL.get()
    if current is None:
        current = Journal()
        JOURNAL.set(current)
    return current


@dataclass(frozen=True)
class Lid:
    """What identifies a step: its name, its code, and the libraries that shape its output."""

    name: str
    kind: type[Receipt]
    modules: tuple[str, ...]
    libraries: tuple[str, ...]
    confirm: Confirm | None

    def key(self, inputs: Mapping[str, Any]) -> str:
        """Give the cache key for the values that a step is called with."""
        return key_of(self.name, code_digest(*self.modules), self.inputs(inputs), self.libraries)

    def inputs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Reduce a call to what counts: receipts to digests, sections to values, the workspace to nothing."""
        return {name: identity(value) for name, value in values.items() if name != "workspace"}

    def clear_damage(self, workspace: Path, values: Mapping[str, Any], key: str) -> None:
        """Set aside an artifact that is damaged or no longer true, so that it is built again; the run says so."""
        folder = workspace / "store" / self.name / key
        if not folder.exists():
            return
        problem = damage(folder) or self._untrue(workspace, values, key)
        if problem:
            kept = set_aside(workspace, folder).relative_to(workspace)
            message = (
                f"{self.name}: a stored artifact was set aside as {kept} ({problem}) and is built again."
            )
            journal().warnings.append(message)
            logger.warning(message)

    def _untrue(self, workspace: Path, values: Mapping[str, Any], key: str) -> str:
        receipt = find(workspace, self.name, key, self.kind)
        if receipt is None or self.confirm is None or self.confirm(workspace, receipt, values):
            return ""
        return "the registry no longer knows it"


def identity(value: Any) -> Any:
    """Reduce one argument to what counts for the cache key."""
    if isinstance(value, Receipt):
        return {type(value).__name__: value.digest}
    if isinstance(value, LogFile):
        return {"LogFile": value.digest}
    if isinstance(value, BaseSource):
        return {"BaseSource": value.identity}
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (tuple, list)):
        return [identity(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(
        f"a step cannot take a {type(value).__name__}: give it receipts, settings or plain values"
    )


class ContentKey(CachePolicy):
    """Cache by content: `<step>/<digest>/receipt.json`, after making sure that what is there is whole."""

    def __init__(self, lid: Lid) -> None:
        super().__init__()
        self.lid = lid

    def compute_key(
        self,
        task_ctx: TaskRunContext,  # noqa: ARG002
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002
        **_: Any,
    ) -> str:
        """Give the key of this call; Prefect reads and writes its record there."""
        key = self.lid.key(inputs)
        self.lid.clear_damage(Path(inputs["workspace"]), inputs, key)
        return f"{self.lid.name}/{key}/{RECORD}"


class Step(Generic[P, R]):
    """A Prefect task with a lid; call it with the workspace first."""

    def __init__(self, inner: Task[..., R], lid: Lid) -> None:
        self.task = inner
        self.lid = lid
        functools.update_wrapper(self, inner.fn)

    def __call__(self, workspace: Path, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the step, or take its artifact from the store, and note which."""
        began = time.monotonic()
        call = cast("Callable[..., State[Any]]", self.task)
        state = call(workspace, *args, return_state=True, **kwargs)
        seconds = round(time.monotonic() - began, 3)
        if not state.is_completed():
            journal().add(StepRun(self.lid.name, str(state.name), cached=False, seconds=seconds))
        receipt = cast("R", state.result())
        cached = state.name == "Cached" or receipt.path in journal().taken
        journal().add(StepRun(self.lid.name, str(state.name), cached, seconds))
        journal().receipts.append(receipt)
        return receipt


def step(
    name: str,
    kind: type[R],
    *,
    libraries: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
    retries: int = 0,
    confirm: Confirm | None = None,
    tags: tuple[str, ...] = (),
) -> Callable[[Callable[Concatenate[Draft, P], R]], Step[P, R]]:
    """Put a lid on `work`: cached by content, locked by key, retried only when a service was at fault.

    `libraries` shape the output and are in the key by version; `also` names modules that run in another process;
    `confirm` asks whether a stored receipt is still true outside the store.
    """

    def put(work: Callable[Concatenate[Draft, P], R]) -> Step[P, R]:
        lid = Lid(name, kind, (work.__module__, *also), libraries, confirm)

        def run(workspace: Path, *args: P.args, **kwargs: P.kwargs) -> R:
            return _build(lid, kind, work, workspace, args, kwargs)

        functools.update_wrapper(run, work, assigned=("__module__", "__doc__", "__qualname__"))
        run.__name__ = name
        del run.__wrapped__  # type: ignore[attr-defined]
        run.__signature__ = _signature(work)  # type: ignore[attr-defined]
        lidded = task(
            name=name,
            cache_policy=ContentKey(lid),
            persist_result=True,
            result_serializer="json",
            retries=retries,
            retry_delay_seconds=[2.0 * 4**attempt for attempt in range(retries)] or 0,
            retry_condition_fn=a_retry_can_help,
            tags=list(tags),
        )
        return Step(cast("Task[..., R]", lidded(run)), lid)

    return put


def a_retry_can_help(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Say whether the error is of a class that a retry can help; a plain function, or Prefect never retries."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, FreshtuneError) and error.retryable


def _build(
    lid: Lid,
    kind: type[R],
    work: Callable[..., R],
    workspace: Path,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> R:
    values = _signature(work).bind(workspace, *args, **kwargs).arguments
    key, inputs = lid.key(values), lid.inputs(values)
    with locked(workspace, lid.name, key), _noted():
        receipt = find(workspace, lid.name, key, kind)  # another run may have built it while we waited
        if receipt is not None:
            journal().taken.add(receipt.path)
        else:
            with drafting(workspace, lid.name, key, inputs) as draft:
                receipt = work(draft, *args, **kwargs)
    create_markdown_artifact(
        key=f"{lid.name}-receipt".replace("_", "-"),
        markdown=f"```json\n{receipt.model_dump_json(indent=2)}\n```",
        description=f"Receipt of {lid.name}",
    )
    return receipt


@contextmanager
def _noted() -> Iterator[None]:
    """Note an error before Prefect hears of it: on a full disk its own server fails next, and hides the first cause."""
    try:
        yield
    except FreshtuneError as error:
        journal().error = error
        raise


def _signature(work: Callable[..., Any]) -> inspect.Signature:
    """Give the signature that callers see: the workspace in place of the draft."""
    original = inspect.signature(work)
    first, *rest = original.parameters.values()
    return original.replace(parameters=[first.replace(name="workspace", annotation=Path), *rest])
