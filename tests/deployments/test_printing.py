"""What a person sees while a run goes on: steps by name, long ones as they go, nothing cut in the middle of a word."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.doctor import _installing, finding_lines
from deployments.printing import name_of, shorten, step_line
from tasks.journal import RUNNING, StepRun


def test_steps_are_named_as_people_speak_with_their_file() -> None:
    done = StepRun("raw_validation", "Completed", cached=False, seconds=0.42, part="2026-07.jsonl")

    assert step_line(done).startswith("  ✓ raw validation: 2026-07.jsonl ")
    assert step_line(done).endswith(" 0.4 s")
    assert step_line(StepRun("merging", "Completed", cached=True, seconds=0.1)).split()[-3:] == [
        "from",
        "the",
        "store",
    ]
    assert step_line(StepRun("merging", "Failed", cached=False, seconds=185)).split()[0] == "✗"
    trial = StepRun(
        "adapter_training", "Pruned", cached=False, seconds=9, part="trial 2: rank 8", titled=True
    )
    assert step_line(trial).split() == ["–", "trial", "2:", "rank", "8", "9.0", "s"]


def test_the_name_of_a_file_cannot_steer_the_terminal() -> None:
    evil = StepRun("cleaning", "Completed", cached=False, seconds=1.0, part="a\x1b[2Jb\n\u202ec" + "x" * 90)

    assert not {"\x1b", "\n", "\u202e"} & set(name_of(evil))
    assert len(name_of(evil)) == 44


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("It fits.", 8, "It fits."),
        ("The gains are beyond noise: over the base", 20, "The gains are…"),
        ("The gains, beyond noise", 12, "The gains…"),
        ("x" * 30, 10, "x" * 9 + "…"),
        ("", 5, ""),
    ],
)
def test_texts_are_cut_at_a_word_and_say_so(text: str, most: int, short: str) -> None:
    assert shorten(text, most) == short
    assert len(short) <= most


def test_training_says_how_far_it_is() -> None:
    from tasks.adapter_training import progress_words

    assert (
        progress_words({"step": 120, "steps": 232, "loss": 0.8}, 2.0)
        == "120/232, loss 0.800, about 4 min left"
    )
    assert progress_words({"step": 4, "steps": 4}, 2.0) == "4/4, about 0 s left"


def test_training_tells_whoever_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import adapter_training
    from tasks.journal import JOURNAL, Journal

    told: list[Any] = []
    token = JOURNAL.set(Journal(on_step=told.append))
    monkeypatch.setattr(adapter_training, "create_progress_artifact", lambda *_, **__: None)
    try:
        tell = adapter_training._progress()
        for step in (1, 2):
            tell({"step": step, "steps": 2, "loss": 1.0, "seconds": 30.0})
    finally:
        JOURNAL.reset(token)
    assert [one.told for one in told] == [
        "1/2, loss 1.000, about 30 s left",
        "2/2, loss 1.000, about 0 s left",
    ]
    assert {one.state for one in told} == {RUNNING}


def test_a_cure_stands_below_its_finding() -> None:
    first, second = finding_lines({"state": "warn", "what": "versions", "found": "other", "cure": "Install."})

    assert first.split() == ["warn", "versions", "other"]
    assert second.strip() == "→ Install."
    assert len(finding_lines({"state": "ok", "what": "disk", "found": "free", "cure": ""})) == 1


def test_the_cure_for_versions_is_a_command_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr("deployments.doctor.sys", SimpleNamespace(executable=sys.executable))
    _, home, _, pip, *words = _installing().split()
    assert os.access(pip, os.X_OK)
    assert (Path(home) / "constraints.txt").exists()
    assert words == ["install", "-c", "constraints.txt", "-e", ".", "--group", "dev"]
