"""Foresight: what the steps of a run would do here and now, found out without doing anything.

The flow itself is gone through; each step looks for its artifact in place of running. What a step that would run gives
is not known, and neither is anything that is made from it, but what it will be like is: see `tasks.foretelling`.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

from tasks.core.planning.reasons import Reason, reason_of
from tasks.core.receipts import CHANGED, OPEN, Receipt
from tasks.core.report.wording import spoken
from tasks.core.store.artifacts import damage, manifest_receipt
from tasks.core.store.keys import code_digest, digest_modules, versions_of
from tasks.core.store.making import Made, known_code, past
from tasks.effort import effort_of
from tasks.foretelling import foretell, told_receipts

Fate = Literal["cached", "run", "perhaps"]
MOST_READING = 1.5  # seconds, in which artifacts are read whole; a plan is to be there in five
WEIGHING = "weighing"
NEW_NAME = "registry.name"  # what is registered under another one is another version
PERHAPS_NONE = ("readmission",)  # where they give no rows, nothing comes after them
NEVER_THE_SAME = ("adapter_training", "merging")  # whatever changed, they do not give what they gave before


class Identity(Protocol):
    """What a step is known by; see `tasks.step_identity`."""

    @property
    def name(self) -> str:
        """Give its name."""

    @property
    def kind(self) -> type[Receipt]:
        """Give the class of its receipts."""

    @property
    def modules(self) -> tuple[str, ...]:
        """Name the modules of its code."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Name the libraries that shape its output."""

    @property
    def confirm(self) -> Callable[[Path, Receipt, Mapping[str, Any]], bool] | None:
        """Give whom it asks whether a stored receipt is still true."""

    def key(self, inputs: Mapping[str, Any]) -> str:
        """Give the cache key of a call."""

    def inputs(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Reduce a call to what counts."""


@dataclass(frozen=True)
class ForeseenStep:
    """What one step would do: take its artifact, run, or, where that depends on what an earlier step gives, perhaps run.

    `inputs` are what counts of what it is given. `because` names the step that runs before it and so makes it run, if one does.
    """

    name: str
    part: str
    fate: Fate
    why: str
    effort: float
    because: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Foresight:
    """The steps of a run as they would go, in order."""

    has_registry: bool
    steps: list[ForeseenStep] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    made: dict[str, list[Made]] = field(default_factory=dict)
    serial: int = 0
    is_open: bool = False
    """Whether anything is trained at all is not weighed yet: all that comes after it does so perhaps."""
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

    def look_at(self, step: Identity, workspace: Path, values: Mapping[str, Any], part: str) -> Receipt:
        """Say what a step would do, and give its receipt, or one that is like it."""
        inputs = step.inputs(values)
        unknown = sorted(set(_texts(inputs, (CHANGED, OPEN))))
        if unknown:
            changed = [one for one in unknown if one.startswith(CHANGED)]
            root = (changed or unknown)[0].split(":")[1]
            words = f"{spoken(root)} runs" if changed else f"unless {spoken(root)} gives what it gave before"
            fate: Fate = "run" if changed else "perhaps"
            self._add(step, workspace, values, part, fate, words, because=root)
            return self._like(step, CHANGED if changed else OPEN, root, workspace, values, inputs)
        key = step.key(values)
        folder = workspace / "store" / step.name / key
        stored = manifest_receipt(folder)
        problem = self._problem(step, workspace, values, folder) if stored else None
        if stored and not problem:
            self._add(step, workspace, values, part, "cached", "")
            return self._keep(step.kind.model_validate(stored))
        known = stored or self._told(workspace).get(f"store/{step.name}/{key}")
        reason = problem or (Reason("artifact", "its artifact is gone") if known else None)
        reason = reason or self._reason(step, workspace, inputs)
        self._add(step, workspace, values, part, "run", reason.words)
        if known and reason.kind == "artifact":
            return self._keep(step.kind.model_validate(known))
        same = (
            reason.kind in {"setting", "code", "version"}
            and step.name not in NEVER_THE_SAME
            and NEW_NAME not in reason.every
        )
        same = same or step.name in PERHAPS_NONE
        return self._like(step, OPEN if same else CHANGED, step.name, workspace, values, inputs)

    def _told(self, workspace: Path) -> dict[str, dict[str, Any]]:
        """Give what runs told of artifacts; read once."""
        with self.lock:
            if self.told is None:
                self.told = told_receipts(workspace)
            return self.told

    def _damage(self, folder: Path) -> str:
        """Say what is wrong with an artifact's files; they are read for a second or two, and measured after that."""
        by_size = self.reading > MOST_READING
        began = time.monotonic()
        broken = damage(folder, by_size=by_size)
        with self.lock:
            self.reading += time.monotonic() - began
            self.by_size += by_size
        return broken

    def _problem(
        self, step: Identity, workspace: Path, values: Mapping[str, Any], folder: Path
    ) -> Reason | None:
        """Say what is wrong with an artifact: with its files, or with what the registry says of it."""
        if broken := self._damage(folder):
            return Reason("artifact", f"its artifact is damaged: {broken}")
        if step.confirm is None:
            return None
        if not self.has_registry:
            return Reason("input", "there is no registry yet")
        said = step.confirm(workspace, step.kind.model_validate(manifest_receipt(folder)), values)
        return None if said else Reason("input", "the registry says otherwise now")

    def _like(
        self,
        step: Identity,
        mark: str,
        root: str,
        workspace: Path,
        values: Mapping[str, Any],
        inputs: Mapping[str, Any],
    ) -> Receipt:
        """Give a receipt like the one that will come."""
        with self.lock:
            self.serial += 1
            digest = f"{mark}{root}:{self.serial}"
        self.is_open = self.is_open or step.name == WEIGHING
        return self._keep(foretell(step.kind, step.name, digest, workspace, values, inputs, self.past))

    def _reason(self, step: Identity, workspace: Path, inputs: Mapping[str, Any]) -> Reason:
        now = code_digest(*step.modules)

        def modules(code: str) -> Mapping[str, str] | None:
            return digest_modules(step.modules) if code == now else known_code(workspace, code)

        earlier = self.past(workspace, step.name)
        return reason_of(inputs, now, versions_of(step.libraries), earlier, modules)

    def _add(
        self,
        step: Identity,
        workspace: Path,
        values: Mapping[str, Any],
        part: str,
        fate: Fate,
        why: str,
        *,
        because: str = "",
    ) -> None:
        if self.is_open:
            fate, why, because = "perhaps", "if it is worth a training", WEIGHING
        effort, inputs = effort_of(step.name, workspace, values), step.inputs(values)
        with self.lock:
            self.steps.append(ForeseenStep(step.name, part, fate, why, effort, because, inputs))

    def _keep(self, receipt: Receipt) -> Receipt:
        with self.lock:
            self.receipts.append(receipt)
        return receipt


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
def foresight(*, has_registry: bool) -> Iterator[Foresight]:
    """Let steps in this context look for their artifacts in place of running."""
    token = _FORESIGHT.set(found := Foresight(has_registry))
    try:
        yield found
    finally:
        _FORESIGHT.reset(token)
