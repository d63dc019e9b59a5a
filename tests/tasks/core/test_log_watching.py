"""New logs are told once, when nobody writes to them any more."""

import os
from pathlib import Path

from tasks.core.operating.log_watching import Look, logs_state, look_again


def test_what_is_there_at_the_first_look_is_known() -> None:
    look, is_new = look_again(None, "a", 0.0, 10.0)
    assert not is_new
    assert look_again(look, "a", 100.0, 10.0) == (look, False)


def test_a_change_is_told_once_it_has_settled() -> None:
    look: Look | None = None
    told = []
    # a file that grows at 1, 2 and 3 and then stays as it is
    for now, state in enumerate(["a", "b", "c", "d", "d", "d", "d", "d"]):
        look, is_new = look_again(look, state, float(now), 3.0)
        told.append(is_new)
    assert told == [False] * 6 + [True, False]


def test_what_was_taken_away_again_is_not_told() -> None:
    look, _ = look_again(None, "a", 0.0, 3.0)
    look, _ = look_again(look, "b", 1.0, 3.0)
    look, is_new = look_again(look, "a", 2.0, 3.0)
    assert not is_new
    assert not look_again(look, "a", 10.0, 3.0)[1]


def test_the_state_is_that_of_names_sizes_and_times(tmp_path: Path) -> None:
    pattern = [f"{tmp_path}/*.jsonl"]
    states = [logs_state(pattern)]
    (tmp_path / "one.jsonl").write_text("{}\n")
    states.append(logs_state(pattern))
    (tmp_path / "one.jsonl").write_text("{}\n{}\n")
    states.append(logs_state(pattern))
    os.utime(tmp_path / "one.jsonl", ns=(1, 1))
    states.append(logs_state(pattern))
    (tmp_path / "other.txt").write_text("no log")
    assert len(set(states)) == 4
    assert logs_state(pattern) == states[-1]


def test_a_link_to_nothing_is_no_log_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    assert logs_state([f"{tmp_path}/*.jsonl"])


def test_a_files_stamp_behind_a_url_changes_with_it() -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe("/watched/one.jsonl", b"{}\n")
    before = logs_state(["memory://watched/*.jsonl"])
    files.pipe("/watched/one.jsonl", b"{}\n{}\n")
    assert logs_state(["memory://watched/*.jsonl"]) != before
