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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

import pydantic
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.states import Cancelled
from prefect.tasks import Task
from prefect.transactions import get_transaction

from tasks.core.errors import FreshtuneError, Pruned
from tasks.core.receipts import Receipt, Record
from tasks.core.report.receipt_texts import receipt_markdown, title_of
from tasks.core.settings import Section
from tasks.core.store.artifacts import (
    RECORD,
    Draft,
    damage,
    drafting,
    find,
    locked,
    manifest_receipt,
    record_agrees,
    set_aside,
)
from tasks.core.store.keys import code_digest, key_of
from tasks.journal import PRUNED, RUNNING, StepRun, journal
from tasks.retrying import a_retry_can_help, delays
from tasks.showing import GPU, data_part_of, link_receipt, named_task, part_of, title

P = ParamSpec("P")
R = TypeVar("R", bound=Receipt)
Confirm = Callable[[Path, Receipt, Mapping[str, Any]], bool]
GOES_ON = "A run with its settings goes on from its checkpoint."
logger = logging.getLogger("freshtune")


@dataclass(frozen=True)
class Lid:
    """What identifies a step: its name, its code, and the libraries that shape its output."""

    name: str
    kind: type[Receipt]
    modules: tuple[str, ...]
    libraries: tuple[str, ...]
    confirm: Confirm | None
    long: bool = False
    """It is worth saying that it begins."""

    def key(self, inputs: Mapping[str, Any]) -> str:
        """Give the cache key for the values that a step is called with."""
        return key_of(self.name, code_digest(*self.modules), self.inputs(inputs), self.libraries)

    def inputs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Reduce a call to what counts: receipts to digests, sections to values, the workspace to nothing."""
        return {name: identity(value) for name, value in values.items() if name != "workspace"}

    def clear_damage(self, workspace: Path, values: Mapping[str, Any], key: str) -> None:
        """Set aside an artifact that is damaged or no longer true, so that it is built again; the run says so.

        Where only Prefect's record is not what the manifest says, the record goes and the artifact stays.
        """
        folder = workspace / "store" / self.name / key
        if not folder.exists() or not (self._problem(workspace, values, folder) or not record_agrees(folder)):
            return
        with locked(workspace, self.name, key):  # another run may just have mended it
            problem = self._problem(workspace, values, folder) if folder.exists() else ""
            if problem:
                kept = set_aside(workspace, folder).relative_to(workspace)
                _warn(
                    f"{self.name}: a stored artifact was set aside as {kept} ({problem}) and is built again."
                )
            elif not record_agrees(folder):
                (folder / RECORD).unlink(missing_ok=True)
                _warn(f"{self.name}: a record of Prefect's was torn or changed and is written again.")

    def _problem(self, workspace: Path, values: Mapping[str, Any], folder: Path) -> str:
        problem = damage(folder)
        if problem or self.confirm is None:
            return problem
        receipt = self.kind.model_validate(manifest_receipt(folder))
        return "" if self.confirm(workspace, receipt, values) else "the registry says otherwise now"


def _warn(message: str) -> None:
    journal().warn(
        message, "Nothing is to be done; if it comes again, look at the disk and at who else writes there."
    )
    logger.warning(message)


def identity(value: Any) -> Any:
    """Reduce one argument to what counts for the cache key."""
    if isinstance(value, Record | Section):
        return value.in_key()
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
        began, followed = time.monotonic(), journal()
        arguments = inspect.signature(self.task.fn).bind(workspace, *args, **kwargs).arguments
        part = part_of(arguments, followed.parts)
        named = named_task(self.task, self.lid.name, part, uses_gpu=self.lid.long)
        state = self._run(named, workspace, *args, **kwargs)
        if state.name == "Cached" and not _stands(workspace, state.result()):
            state = self._run(named.with_options(refresh_cache=True), workspace, *args, **kwargs)
        seconds = round(time.monotonic() - began, 3)
        if not state.is_completed():
            followed.add(self._done(str(state.name), seconds, part, cached=False))
        if state.name == PRUNED:
            raise Pruned(str(state.message), cure=GOES_ON)
        receipt = cast("R", state.result())
        cached = state.name == "Cached" or receipt.path in followed.taken
        done = self._done(str(state.name), seconds, part, cached=cached)
        followed.add(done)
        followed.receipts.append(receipt)
        followed.made.append((done, receipt))
        followed.parts.setdefault(receipt.digest, data_part_of(arguments, followed.parts))
        link_receipt(state, receipt)
        return receipt

    def _done(self, state: str, seconds: float, part: str, *, cached: bool) -> StepRun:
        return StepRun(self.lid.name, state, cached, seconds, part, titled=bool(title()))

    @staticmethod
    def _run(task: Task[..., R], *args: Any, **kwargs: Any) -> State[Any]:
        return cast("Callable[..., State[Any]]", task)(*args, return_state=True, **kwargs)


def _stands(workspace: Path, receipt: Receipt) -> bool:
    """Say whether the artifact of Prefect's record is in this workspace: its storage may be another place."""
    return manifest_receipt(receipt.folder(workspace)) == receipt.model_dump(mode="json")


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
    `confirm` asks whether a stored receipt is still true outside the store. A step with the tag `gpu` is known to take
    long; its runs bear the tag only on a machine that has one.
    """

    def put(work: Callable[Concatenate[Draft, P], R]) -> Step[P, R]:
        lid = Lid(name, kind, (work.__module__, *also), libraries, confirm, long=GPU in tags)

        def run(workspace: Path, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return _build(lid, kind, work, workspace, args, kwargs)
            except Pruned as ending:
                return cast("R", _pruned(ending))

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
            retry_delay_seconds=delays(retries) or 0,
            retry_condition_fn=a_retry_can_help,
            tags=[tag for tag in tags if tag != GPU],
        )
        return Step(cast("Task[..., R]", lidded(run)), lid)

    return put


def _build(
    lid: Lid,
    kind: type[R],
    work: Callable[..., R],
    workspace: Path,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> R:
    values = _signature(work).bind(workspace, *args, **kwargs).arguments
    key, inputs, part = lid.key(values), lid.inputs(values), part_of(values, journal().parts)
    with locked(workspace, lid.name, key), _noted(key):
        receipt = find(workspace, lid.name, key, kind)  # another run may have built it while we waited
        if receipt is not None:
            journal().taken.add(receipt.path)
        else:
            if lid.long:
                begun = StepRun(lid.name, RUNNING, cached=False, seconds=0.0, part=part, titled=bool(title()))
                journal().tell(begun)
            with drafting(workspace, lid.name, key, inputs) as draft:
                receipt = work(draft, *args, **kwargs)
    with only_shown():
        create_markdown_artifact(
            key=f"{lid.name}-receipt".replace("_", "-"),
            markdown=receipt_markdown(lid.name, part, receipt),
            description=f"Receipt of {title_of(lid.name, part)}",
        )
    return receipt


def _pruned(ending: Pruned) -> State[None]:
    """Give a state that is no failure, and let Prefect keep no record of it, which would be a hit the next time."""
    get_transaction().write_on_commit = False  # type: ignore[union-attr]
    return Cancelled(name=PRUNED, message=ending.message)


@contextmanager
def _noted(key: str) -> Iterator[None]:
    """Note an error before Prefect hears of it: on a full disk its own server fails next, and hides the first cause."""
    try:
        yield
    except Pruned:
        raise
    except FreshtuneError as error:
        journal().errors[key] = error
        raise
    journal().errors.pop(key, None)


@contextmanager
def only_shown() -> Iterator[None]:
    """Let what only shows something in Prefect fail without harm: the work is done, and its messages say so."""
    try:
        yield
    except FreshtuneError:  # a signal's
        raise
    except Exception as error:  # noqa: BLE001 - whatever the client of a server that went away raises
        logger.warning("Prefect was not shown something: %s", type(error).__name__)


def _signature(work: Callable[..., Any]) -> inspect.Signature:
    """Give the signature that callers see: the workspace in place of the draft."""
    original = inspect.signature(work)
    first, *rest = original.parameters.values()
    return original.replace(parameters=[first.replace(name="workspace", annotation=Path), *rest])
