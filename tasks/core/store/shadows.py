"""Shadows: workspaces that hold what another holds, by links, and in which artifacts are made that the other never sees."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tasks.core.errors import SettingsError
from tasks.core.store.artifacts import disk_full
from tasks.core.store.locks import at_work, exclusive, is_held

OWN = frozenset(("store", "drafts", "work", "damaged", "locks"))  # what a shadow writes in
HELD = "held"  # a lock file: who has it lives


@contextmanager
def shadow_of(workspace: Path) -> Iterator[Path]:
    """Give a shadow of a workspace, which need not be there yet; in the end it is gone, with all that was made in it.

    It lies among the workspace's drafts. One that was killed goes with the next, or with `clean`. What others make meanwhile it
    does not show. Raises `SettingsError` for a workspace in which none can be, and `DiskFull`.
    """
    with ExitStack() as held:
        try:
            shadow = _begin(workspace, held)
        except OSError as error:
            raise disk_full(error, workspace) or SettingsError(
                f"Nothing can be done aside in {workspace}: {error.strerror or type(error).__name__}.",
                cure="Give a workspace of yours with --workspace, or plan without --exact.",
            ) from error
        yield shadow


def _begin(workspace: Path, held: ExitStack) -> Path:
    drafts = workspace / "drafts"
    if workspace.is_dir():
        held.enter_context(at_work(workspace))
        drafts.mkdir(mode=0o700, exist_ok=True)
    for place in [one for one in (*reversed(workspace.parents), workspace, drafts) if not one.exists()]:
        place.mkdir(mode=0o700)
        held.callback(_remove_empty, place)
    for old in drafts.glob("shadow-*"):
        if (old / HELD).exists() and not is_held(old / HELD):
            shutil.rmtree(old)
    shadow = Path(tempfile.mkdtemp(prefix="shadow-", dir=drafts))
    held.callback(shutil.rmtree, shadow)
    held.enter_context(exclusive(shadow / HELD))
    _link(workspace, shadow)
    return shadow


def _remove_empty(place: Path) -> None:
    with suppress(OSError):  # somebody else has begun to use it
        place.rmdir()


def _link(workspace: Path, shadow: Path) -> None:
    for one in workspace.iterdir():
        if one.name not in OWN:
            (shadow / one.name).symlink_to(one.absolute())
    for step in (workspace / "store").glob("*/"):
        place = shadow / "store" / step.name
        place.mkdir(parents=True)
        for artifact in step.iterdir():
            (place / artifact.name).symlink_to(artifact.absolute())
