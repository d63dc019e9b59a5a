"""Shadows: workspaces that hold what another holds, by links, and in which artifacts are made that the other never sees."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tasks.core.store.locks import at_work

OWN = frozenset(("store", "drafts", "work", "damaged", "locks"))  # what a shadow writes in


@contextmanager
def shadow_of(workspace: Path) -> Iterator[Path]:
    """Give a shadow of a workspace, which need not be there yet; in the end it is gone, with all that was made in it.

    It lies among the workspace's drafts, which go with `clean`, should it be killed. What others make meanwhile it does not show.
    """
    with ExitStack() as held:
        if (workspace / "store").is_dir():
            held.enter_context(at_work(workspace))
        drafts = workspace / "drafts"
        for place in [one for one in (*reversed(workspace.parents), workspace, drafts) if not one.exists()]:
            place.mkdir(mode=0o700)
            held.callback(_remove_empty, place)
        shadow = Path(tempfile.mkdtemp(prefix="shadow-", dir=drafts))
        held.callback(shutil.rmtree, shadow, ignore_errors=True)
        _link(workspace, shadow)
        yield shadow


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
