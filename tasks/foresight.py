"""Foresight: what the steps of a run would do here and now, found out without doing anything.

The flow itself is gone through; each step looks for its artifact in place of running. What a step that would run gives
is not known, and neither is anything that is made from it, but what it will be like is: see `tasks.foretelling`. To know
exactly, the steps of the data, and the gate's, are done all the same, in a workspace that nobody sees.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from tasks.core.errors import FreshtuneError, HardwareError, Stopped
from tasks.core.planning.reasons import Reason, reason_of
from tasks.core.receipts import CHANGED, OPEN, Receipt, Record
from tasks.core.report.wording import spoken
from tasks.core.store.artifacts import damage, manifest_receipt
from tasks.core.store.keys import code_digest, digest_modules, versions_of
from tasks.core.store.making import Made, known_code, past
from tasks.effort import effort_of
from tasks.foretelling import foretell, is_data, nowhere, told_receipts
from tasks.novelty import may_give_the_same, shape_of, spreads, taught_before
from tasks.step_calls import Call, Fate, ForeseenStep

MOST_READING = 1.5  # seconds, in which artifacts are read whole; a plan is to be there in five
WEIGHING = "weighing"
ASIDE = ("gating",)  # steps that an exact plan does beside those of the data: they only compute


@dataclass
class Foresight:
    """The steps of a run as they would go, in order.

    If it is `exact`, the steps of the data that would run, and the gate's, are done in the workspace that they are given: a shadow.
    """

    has_registry: bool
    exact: bool = False
    steps: list[ForeseenStep] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    made: dict[str, list[Made]] = field(default_factory=dict)
    serial: int = 0
    open_since: tuple[str, str] | None = None
    """From which step on it is open whether anything comes at all, as why and that step's name: all that comes does so perhaps."""
    by_size: int = 0
    """Artifacts whose files were only measured."""
    reading: float = 0.0
    told: dict[str, dict[str, Any]] | None = None
    lock: Lock = field(default_factory=Lock)

    def past(self, workspace: Path, step: str) -> list[Made]:
        """Give the artifacts of a step, the newest first; read once."""
        with self.lock:
            if step not in self.made:
                self.made[step] = list(past(workspace, step))
            return self.made[step]

    def look_at(self, call: Call) -> Receipt:
        """Say what a step would do, and give its receipt, or one that is like it."""
        unknown = sorted(set(_texts(call.inputs, (CHANGED, OPEN))))
        if unknown:
            return self._hang(call, unknown)
        place = call.workspace / "store" / call.step.name / call.step.key(call.values)
        stored = manifest_receipt(place)
        problem = self._problem(call, place) if stored else None
        if stored and not problem:
            self._add(call, "cached", "")
            return self._keep(call.step.kind.model_validate(stored))
        if self.exact and place.is_symlink():
            place.unlink(
                missing_ok=True
            )  # from the shadow: nothing is made from what is damaged, or went meanwhile
        known = stored or self._told(call.workspace).get(f"store/{call.step.name}/{place.name}")
        reason = problem or (Reason("artifact", "its artifact is gone") if known else self._reason(call))
        self._add(call, "run", reason.words)
        return self._outcome(call, reason, known)

    def _hang(self, call: Call, unknown: Sequence[str]) -> Receipt:
        """Foresee a step that hangs on what others give; what that is, is `unknown`."""
        changed = [one for one in unknown if one.startswith(CHANGED)]
        root = _root((changed or unknown)[0])
        words = f"{spoken(root)} runs" if changed else _unless(root)
        self._add(call, "run" if changed else "perhaps", words, because=root)
        return self._shaped(call) or self._like(call, CHANGED if spreads(map(_root, changed)) else OPEN, root)

    def _outcome(self, call: Call, reason: Reason, known: Mapping[str, Any] | None) -> Receipt:
        """Give the receipt of a step that would run; where it can be done aside, it is."""
        step = call.step
        aside = self.exact and (is_data(step.kind) or step.name in ASIDE)
        if aside and _are_here(call.workspace, call.values.values()):
            return self._keep(_done(call))
        same = known if reason.kind == "artifact" else taught_before(call, self.past)
        if same:
            given = step.kind.model_validate(same)  # of damaged files nothing is read
            is_damaged = reason.kind == "artifact" and given.folder(call.workspace).is_dir()
            return self._keep(given.model_copy(update={"path": nowhere(step.name)}) if is_damaged else given)
        mark = OPEN if may_give_the_same(step.name, reason, call.values) else CHANGED
        return self._shaped(call) or self._like(call, mark, step.name)

    def _shaped(self, call: Call) -> Receipt | None:
        """Give the receipt of a step that hangs on some of its inputs alone: an earlier one of the very same, else a new one.

        None where it hangs on all of them, or where what it hangs on is not known.
        """
        shape, confirm = shape_of(call.step.name, call.inputs), call.step.confirm
        if not shape or confirm is None or not self.has_registry or any(_texts(shape, (CHANGED, OPEN))):
            return None
        for one in self.past(call.workspace, call.step.name):
            if shape_of(call.step.name, one.receipt.get("made_from", {})) == shape:
                receipt = call.step.kind.model_validate(one.receipt)
                if confirm(call.workspace, receipt, call.values):
                    return self._keep(receipt)
        return self._like(call, CHANGED, call.step.name)

    def asked(self, given: Any) -> None:
        """Leave open what comes after a question that is asked of something open: the answer may be another one."""
        for one in _texts(given, OPEN):
            self.open_since = self.open_since or (_unless(_root(one)), _root(one))

    def _told(self, workspace: Path) -> dict[str, dict[str, Any]]:
        """Give what runs told of artifacts; read once."""
        with self.lock:
            if self.told is None:
                self.told = told_receipts(workspace)
            return self.told

    def _damage(self, folder: Path) -> str:
        """Say what is wrong with an artifact's files; they are read for a second or two, and measured after that, unless steps are done by them."""
        by_size = not self.exact and self.reading > MOST_READING
        began = time.monotonic()
        broken = damage(folder, by_size=by_size)
        with self.lock:
            self.reading += time.monotonic() - began
            self.by_size += by_size
        return broken

    def _problem(self, call: Call, folder: Path) -> Reason | None:
        """Say what is wrong with an artifact: with its files, or with what the registry says of it."""
        if broken := self._damage(folder):
            return Reason("artifact", f"its artifact is damaged: {broken}")
        if call.step.confirm is None:
            return None
        if not self.has_registry:
            return Reason("input", "there is no registry yet")
        receipt = call.step.kind.model_validate(manifest_receipt(folder))
        said = call.step.confirm(call.workspace, receipt, call.values)
        return None if said else Reason("input", "the registry says otherwise now")

    def _like(self, call: Call, mark: str, root: str) -> Receipt:
        """Give a receipt like the one that will come."""
        step = call.step
        with self.lock:
            self.serial += 1
            digest = f"{mark}{root}:{self.serial}"
        if step.name == WEIGHING:
            self.open_since = self.open_since or ("if it is worth a training", WEIGHING)
        told = foretell(step.kind, step.name, digest, call.workspace, call.values, call.inputs, self.past)
        return self._keep(told)

    def _reason(self, call: Call) -> Reason:
        step, now = call.step, code_digest(*call.step.modules)

        def modules(code: str) -> Mapping[str, str] | None:
            return digest_modules(step.modules) if code == now else known_code(call.workspace, code)

        earlier = self.past(call.workspace, step.name)
        return reason_of(call.inputs, now, versions_of(step.libraries), earlier, modules)

    def _add(self, call: Call, fate: Fate, why: str, *, because: str = "") -> None:
        if self.open_since:
            fate, (why, because) = "perhaps", self.open_since
        effort = effort_of(call.step.name, call.workspace, call.values)
        step = ForeseenStep(call.step.name, call.part, fate, why, effort, because, call.inputs)
        with self.lock:
            self.steps.append(step)

    def _keep(self, receipt: Receipt) -> Receipt:
        with self.lock:
            self.receipts.append(receipt)
        return receipt


def _are_here(workspace: Path, values: Iterable[Any]) -> bool:
    """Say whether the artifacts that a step is given are there: one that is gone, or only foretold, is not."""
    for value in values:
        if isinstance(value, tuple) and not _are_here(workspace, value):
            return False
        if isinstance(value, Record) and not _are_here(workspace, dict(value).values()):
            return False
        if isinstance(value, Receipt) and not value.folder(workspace).is_dir():
            return False
    return True


def _done(call: Call) -> Receipt:
    """Do a step, and tell of an error that a run would meet as one that is still to come."""
    try:
        return call.make()
    except (Stopped, HardwareError):
        raise
    except FreshtuneError as error:
        raise type(error)(
            f"A run would stop at {spoken(call.step.name)}: {error.message}", cure=error.cure
        ) from error


def _root(mark: str) -> str:
    """Give the step that made a digest foretold."""
    return mark.split(":")[1]


def _unless(root: str) -> str:
    return f"unless {spoken(root)} gives what it gave before"


def _texts(value: Any, beginning: str | tuple[str, ...] = "") -> Iterator[str]:
    """Give all texts in a plain value that begin so."""
    if isinstance(value, str):
        if value.startswith(beginning):
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part, beginning)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, beginning)


_FORESIGHT: ContextVar[Foresight | None] = ContextVar("freshtune_foresight", default=None)


def foreseeing() -> Foresight | None:
    """Give the foresight of this context; None in a run."""
    return _FORESIGHT.get()


@contextmanager
def foresight(*, has_registry: bool, exact: bool = False) -> Iterator[Foresight]:
    """Let steps in this context look for their artifacts in place of running."""
    token = _FORESIGHT.set(found := Foresight(has_registry, exact))
    try:
        yield found
    finally:
        _FORESIGHT.reset(token)
