"""Artifacts are complete or absent, whole or set aside; rows add up; keys hold what counts."""

import errno
import json
import multiprocessing
from pathlib import Path

import pytest
from safetensors import SafetensorError

from tasks.core.errors import DiskFull
from tasks.core.receipts import RawLogs
from tasks.core.store.artifacts import Draft, damage, disk_full, drafting, find, set_aside
from tasks.core.store.keys import key_of
from tasks.core.store.ledger import Entry, account, write_ledger
from tasks.core.store.locks import exclusive
from tasks.core.store.rows import LEDGER, QUARANTINE, read_rows, write_rows


def make(workspace: Path, text: str = "one\n", key: str = "k") -> RawLogs:
    with drafting(workspace, "step", key, {}) as draft:
        (draft.folder / "a.txt").write_text(text)
        return draft.seal(RawLogs, counts={"in": 1})


def test_a_sealed_artifact_is_found_and_whole(tmp_path: Path) -> None:
    receipt = make(tmp_path)
    assert find(tmp_path, "step", "k", RawLogs) == receipt
    assert damage(receipt.folder(tmp_path)) == ""
    assert receipt.path == "store/step/k"


def test_equal_bytes_have_one_digest_whatever_the_key(tmp_path: Path) -> None:
    assert make(tmp_path, key="a").digest == make(tmp_path, key="b").digest
    assert make(tmp_path, key="c", text="two\n").digest != make(tmp_path, key="d").digest


def test_what_is_not_sealed_is_not_there(tmp_path: Path) -> None:
    def fail(draft: Draft) -> None:
        (draft.folder / "half.txt").write_text("half")
        raise KeyError

    with pytest.raises(KeyError), drafting(tmp_path, "step", "k", {}) as draft:
        fail(draft)
    assert find(tmp_path, "step", "k", RawLogs) is None
    assert not list((tmp_path / "drafts").iterdir())


@pytest.mark.parametrize("name", ["a.txt", "manifest.json"])
def test_every_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    path = make(tmp_path).folder(tmp_path) / name
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0, 3, 6):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            if path.suffix != ".json" or _meaning(changed) != json.loads(whole):
                assert damage(path.parent), (name, place, bit)


def _meaning(data: bytearray) -> object:
    try:
        return json.loads(bytes(data))
    except ValueError:
        return None


def test_a_missing_or_an_extra_file_is_damage(tmp_path: Path) -> None:
    folder = make(tmp_path).folder(tmp_path)
    (folder / "extra.txt").write_text("x")
    assert damage(folder) == "extra.txt is not in the manifest"
    (folder / "extra.txt").unlink()
    (folder / "a.txt").unlink()
    assert damage(folder) == "a.txt is missing"
    kept = set_aside(tmp_path, folder)
    assert (kept / "manifest.json").exists()
    assert not folder.exists()


def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="is full"), drafting(tmp_path, "step", "k", {}):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(DiskFull), drafting(tmp_path, "step", "k", {}):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert disk_full(OSError(errno.EACCES, "denied"), tmp_path) is None


def test_a_lost_row_is_a_bug_that_is_raised() -> None:
    entries = [Entry("a", 1, "filtered", "short_reply", "too short")]
    assert account({"in": 3}, 2, entries)["filtered"] == 1
    with pytest.raises(AssertionError, match="do not add up"):
        account({"in": 3}, 1, entries)


def test_the_ledger_holds_no_text_and_the_quarantine_does(tmp_path: Path) -> None:
    entries = [Entry("a", 7, "quarantined", "has a reply", "no reply", row={"question": "secret words"})]
    write_ledger(tmp_path, "step", entries)
    assert "secret words" not in (tmp_path / LEDGER).read_text()
    assert read_rows(tmp_path / QUARANTINE)[0]["row"]["question"] == "secret words"
    assert (tmp_path / QUARANTINE).stat().st_mode & 0o077 == 0


def test_rows_survive_writing(tmp_path: Path) -> None:
    rows = [{"text": "Grüße\u2028 \U0001f600 \\n"}, {"text": ""}]
    write_rows(tmp_path / "r", rows)
    assert read_rows(tmp_path / "r") == rows


def test_the_key_holds_step_code_inputs_and_versions() -> None:
    keys = {
        key_of("a", "code", {"x": 1}, ("pydantic",)),
        key_of("b", "code", {"x": 1}, ("pydantic",)),
        key_of("a", "other", {"x": 1}, ("pydantic",)),
        key_of("a", "code", {"x": 2}, ("pydantic",)),
        key_of("a", "code", {"x": 1}, ("pydantic", "click")),
    }
    assert len(keys) == 5
    assert key_of("a", "c", {"x": 1, "y": 2}, ()) == key_of("a", "c", {"y": 2, "x": 1}, ())


def _add(folder: Path, times: int) -> None:
    for _ in range(times):
        with exclusive(folder / "lock"):
            path = folder / "count"
            path.write_text(str(int(path.read_text()) + 1))


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    crowd = [multiprocessing.get_context("spawn").Process(target=_add, args=(tmp_path, 50)) for _ in range(3)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert (tmp_path / "count").read_text() == "150"
