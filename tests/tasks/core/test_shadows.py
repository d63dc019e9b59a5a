"""A shadow holds what its workspace holds, and nothing that is done in it reaches the workspace."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tasks.core.errors import SettingsError
from tasks.core.receipts import RawLogs
from tasks.core.registry.client import open_registry, own_database
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


def test_one_that_was_killed_goes_with_the_next_and_one_that_lives_stays(tmp_path: Path) -> None:
    make(tmp_path, "known")
    left = tmp_path / "drafts" / "shadow-left"
    left.mkdir(parents=True)
    (left / "held").touch()
    (left / "rows.arrow").write_text("rows")
    with shadow_of(tmp_path) as living, shadow_of(tmp_path):
        assert not left.exists()
        assert living.is_dir()


@pytest.mark.parametrize("harm", ["file", "dangling"])
def test_a_workspace_that_cannot_be_one_is_told(tmp_path: Path, harm: str) -> None:
    place = tmp_path / "workspace"
    if harm == "file":
        place.write_text("")
    else:
        place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="Nothing can be done aside"), shadow_of(place):
        pass


def test_whoever_opens_the_registry_of_a_shadow_moves_nothing(tmp_path: Path) -> None:
    experiments = "select artifact_location from experiments"
    open_registry(tmp_path).versions("assistant")
    with closing(sqlite3.connect(own_database(tmp_path))) as database:
        before = database.execute(experiments).fetchall()
    with shadow_of(tmp_path) as shadow:
        open_registry(shadow).versions("assistant")
    with closing(sqlite3.connect(own_database(tmp_path))) as database:
        assert database.execute(experiments).fetchall() == before != []
