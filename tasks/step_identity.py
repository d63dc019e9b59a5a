"""Step identity: what tells a step's artifacts apart: name, code, libraries and inputs, and nothing else."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from tasks.core.receipts import Receipt, Record
from tasks.core.settings import Section
from tasks.core.store.artifacts import RECORD, damage, locked, manifest_receipt, record_agrees, set_aside
from tasks.core.store.keys import code_digest, digest_modules, key_of, versions_of
from tasks.core.store.making import Making, keep_code
from tasks.effort import effort_of
from tasks.journal import journal

logger = logging.getLogger("freshtune")
Confirm = Callable[[Path, Receipt, Mapping[str, Any]], bool]


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
        if not folder.exists() or not (self.problem(workspace, values, folder) or not record_agrees(folder)):
            return
        with locked(workspace, self.name, key):  # another run may just have mended it
            problem = self.problem(workspace, values, folder) if folder.exists() else ""
            if problem:
                kept = set_aside(workspace, folder).relative_to(workspace)
                _warn(
                    f"{self.name}: a stored artifact was set aside as {kept} ({problem}) and is built again."
                )
            elif not record_agrees(folder):
                (folder / RECORD).unlink(missing_ok=True)
                _warn(f"{self.name}: a record of Prefect's was torn or changed and is written again.")

    def problem(self, workspace: Path, values: Mapping[str, Any], folder: Path) -> str:
        """Say what is wrong with a stored artifact, by its files or by whoever is asked to confirm it; empty for nothing."""
        problem = damage(folder)
        if problem or self.confirm is None:
            return problem
        receipt = self.kind.model_validate(manifest_receipt(folder))
        return "" if self.confirm(workspace, receipt, values) else "the registry says otherwise now"

    def making(self, workspace: Path, values: Mapping[str, Any]) -> Making:
        """Say what an artifact is made with, for whoever foretells the next one."""
        code = code_digest(*self.modules)
        keep_code(workspace, code, digest_modules(self.modules))
        return Making(code, versions_of(self.libraries), effort_of(self.name, workspace, values))


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
