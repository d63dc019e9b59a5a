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
from dataclasses import replace
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.states import Cancelled
from prefect.tasks import Task
from prefect.transactions import get_transaction

from tasks.core.errors import FreshtuneError, Pruned
from tasks.core.progress import Listener, listening
from tasks.core.receipts import Receipt
from tasks.core.report.receipt_texts import counts_sentence, receipt_markdown, title_of
from tasks.core.store.artifacts import (
    RECORD,
    Draft,
    drafting,
    find,
    locked,
    manifest_receipt,
)
from tasks.core.store.making import Making
from tasks.foresight import Foresight, foreseeing
from tasks.journal import PRUNED, RUNNING, StepRun, journal
from tasks.retrying import a_retry_can_help, delays
from tasks.showing import GPU, data_part_of, link_receipt, named_task, part_of, title
from tasks.step_calls import Call
from tasks.step_identity import Confirm, Lid

P = ParamSpec("P")
R = TypeVar("R", bound=Receipt)
GOES_ON = "A run with its settings goes on from its checkpoint."
logger = logging.getLogger("freshtune")


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

    def __init__(self, inner: Task[..., R], lid: Lid, work: Callable[..., R]) -> None:
        self.task = inner
        self.lid = lid
        self.work = work
        functools.update_wrapper(self, inner.fn)

    def __call__(self, workspace: Path, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the step, or take its artifact from the store, and note which."""
        began, followed = time.monotonic(), journal()
        arguments = inspect.signature(self.task.fn).bind(workspace, *args, **kwargs).arguments
        part = part_of(arguments, followed.parts)
        if foresight := foreseeing():
            return self._foresee(foresight, workspace, arguments, part)
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
        done = replace(
            self._done(str(state.name), seconds, part, cached=cached), told=counts_sentence(receipt.counts)
        )
        followed.add(done)
        followed.receipts.append(receipt)
        followed.made.append((done, receipt))
        followed.parts.setdefault(receipt.digest, data_part_of(arguments, followed.parts))
        link_receipt(state, receipt)
        return receipt

    def _foresee(self, foresight: Foresight, workspace: Path, values: Mapping[str, Any], part: str) -> R:
        """Find out what a run would do here, and do nothing, or do it aside."""

        def make() -> Receipt:
            began = time.monotonic()
            receipt = _make(self.lid, self.work, workspace, values, part, Making())
            journal().tell(self._done("Completed", round(time.monotonic() - began, 3), part, cached=False))
            return receipt

        receipt = foresight.look_at(Call(self.lid, workspace, values, part, make))
        journal().parts.setdefault(receipt.digest, data_part_of(values, journal().parts))
        return cast("R", receipt)

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
        return Step(cast("Task[..., R]", lidded(run)), lid, work)

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
    key, part = lid.key(values), part_of(values, journal().parts)
    with locked(workspace, lid.name, key), _noted(key):
        receipt = find(workspace, lid.name, key, kind)  # another run may have built it while we waited
        if receipt is not None:
            journal().taken.add(receipt.path)
        else:
            receipt = _make(lid, work, workspace, values, part, lid.making(workspace, values))
    with only_shown():
        create_markdown_artifact(
            key=f"{lid.name}-receipt".replace("_", "-"),
            markdown=receipt_markdown(lid.name, part, receipt),
            description=f"Receipt of {title_of(lid.name, part)}",
        )
    return receipt


def _make(
    lid: Lid, work: Callable[..., R], workspace: Path, values: Mapping[str, Any], part: str, making: Making
) -> R:
    """Do a step's work into a draft, telling whoever watches how far it is."""
    begun = _running(lid, part)
    journal().tell(begun)
    given = {name: value for name, value in values.items() if name != "workspace"}
    with (
        listening(_teller(begun)),
        drafting(workspace, lid.name, lid.key(values), lid.inputs(values), making) as draft,
    ):
        return work(draft, **given)


def _running(lid: Lid, part: str) -> StepRun:
    titled = bool(title())
    return StepRun(
        lid.name, RUNNING, cached=False, seconds=0.0, part=part, titled=titled, share=None, long=lid.long
    )


def _teller(begun: StepRun) -> Listener:
    """Give a listener that tells whoever watches the run how far a step is."""
    followed = journal()

    def tell(done: int, of: int, what: str) -> None:
        followed.tell(replace(begun, told=f"{done:,}/{of:,} {what}", share=done / max(of, 1)))

    return tell


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
