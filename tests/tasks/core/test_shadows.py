"""A shadow holds what its workspace holds, and nothing that is done in it reaches the workspace."""

from pathlib import Path

import pytest

from tasks.core.errors import SettingsError
from tasks.core.receipts import RawLogs
from tasks.core.store.artifacts import damage, drafting, find, set_aside
from tasks.core.store.locks import alone
from tasks.core.store.shadows import shadow_of


def make(workspace: Path, text: str) -> RawLogs:
    with drafting(workspace, "step", text, {}) as draft:
        (draft.folder / "a.txt").write_text(text)
        return draft.seal(RawLogs)


def all_of(place: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in place.rglob("*") if one.is_file()}


def test_what_is_there_is_seen_and_what_is_made_is_not(tmp_path: Path) -> None:
    known = make(tmp_path, "known")
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "receipts.json").write_text("[]")
    with alone(tmp_path):
        pass  # which makes its lock
    before = all_of(tmp_path)
    with shadow_of(tmp_path) as shadow:
        assert find(shadow, "step", "known", RawLogs) == known
        assert (shadow / "runs" / "one" / "receipts.json").read_text() == "[]"
        new = make(shadow, "new")
        assert find(shadow, "step", "new", RawLogs) == new
        assert find(tmp_path, "step", "new", RawLogs) is None
        set_aside(shadow, known.folder(shadow))
        assert find(shadow, "step", "known", RawLogs) is None
    assert all_of(tmp_path) == before
    assert damage(known.folder(tmp_path)) == ""
    assert not any((tmp_path / "drafts").iterdir())


def test_while_there_is_one_nobody_clears_its_place(tmp_path: Path) -> None:
    make(tmp_path, "known")
    with shadow_of(tmp_path), pytest.raises(SettingsError, match="in progress"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_of_a_workspace_that_is_not_there_nothing_is_left(tmp_path: Path) -> None:
    with shadow_of(tmp_path / "a" / "workspace") as shadow:
        assert make(shadow, "new").folder(shadow).is_dir()
    assert not any(tmp_path.iterdir())


def test_what_others_begin_meanwhile_stays(tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    with shadow_of(place):
        theirs = make(place, "theirs")
    assert damage(theirs.folder(place)) == ""
