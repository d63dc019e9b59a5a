"""What a person is told of steps while a run goes on: live on a terminal, line by line elsewhere, or nothing."""

import io
import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from journeys import ROOT, plain_environment

from deployments.cli import cli
from deployments.printing import COLUMNS
from deployments.telling import LineTeller, telling
from tasks.core.progress import listening, tell_progress
from tasks.journal import RUNNING, StepRun

SCREEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def running(
    told: str = "", part: str = "", share: float | None = None, name: str = "adapter_training"
) -> StepRun:
    is_long = name == "adapter_training"
    return StepRun(name, RUNNING, cached=False, seconds=0.0, part=part, told=told, share=share, long=is_long)


def done(name: str = "adapter_training", **facts: Any) -> StepRun:
    return StepRun(name, "Completed", **{"cached": False, "seconds": 100.0, **facts})


def on_a_terminal(*steps: StepRun, **how: Any) -> str:
    """Give what a terminal of a hundred columns is sent."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, telling(stream=stream, **how) as tell:
        for step in steps:
            tell(step)
    sent = b""
    while True:
        try:
            sent += os.read(ours, 65536)
        except OSError:  # nothing is left, and nobody writes any more
            return sent.decode()


def test_elsewhere_a_long_step_is_said_when_it_begins_and_at_most_every_half_minute() -> None:
    now, stream = [0.0], io.StringIO()
    tell = LineTeller(stream, clock=lambda: now[0])
    tell(running())
    tell(running(name="cleaning"))
    for step in range(100):
        now[0] += 1
        tell(running(f"{step}/100"))
    tell(done())

    lines = stream.getvalue().splitlines()
    assert lines[0] == "  … adapter training"
    assert lines[1:-1] == [f"  … adapter training {step}/100" for step in (29, 59, 89)]
    assert lines[-1].endswith("1 min 40 s")
    assert "\x1b" not in stream.getvalue()
    assert all(len(line) <= COLUMNS for line in lines)


def test_a_terminal_shows_what_runs_with_a_bar_and_keeps_only_what_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    sent = on_a_terminal(
        running(),
        running("60/120, loss 0.812", share=0.5),
        running("3/150 rows scored", "base", 0.02, "evaluation"),
        done(),
    )
    plain = SCREEN.sub("", sent)
    assert "60/120, loss 0.812" in plain
    assert "✓ adapter training" in plain
    assert plain.count("✓ adapter training") == 1
    assert "━" in plain
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l"), (
        "the cursor is hidden, and a kill would leave it so"
    )


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    failed = StepRun("merging", "Failed", cached=False, seconds=1.0)
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
    assert coloured.search(on_a_terminal(running("1/2", share=0.5), failed))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured.search(on_a_terminal(running("1/2", share=0.5), failed))


def test_quiet_says_nothing_and_verbose_what_became_of_the_rows() -> None:
    finished = done("cleaning", told="559 of 574 rows kept, 15 quarantined")
    for how, expected in (({"quiet": True}, ""), ({"verbose": True}, "559 of 574 rows kept")):
        stream = io.StringIO()
        with telling(stream=stream, **how) as tell:
            tell(running(name="cleaning"))
            tell(finished)
        assert expected in stream.getvalue()
        assert bool(stream.getvalue()) == bool(expected)


def test_markup_in_a_name_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    plain = SCREEN.sub(
        "", on_a_terminal(running(part="[bold]x[/bold].jsonl"), done(part="[bold]x[/bold].jsonl"))
    )
    assert "[bold]x[/bold].jsonl" in plain


def test_crafts_tell_how_far_they_are_to_whoever_listens() -> None:
    heard: list[tuple[int, int, str]] = []
    tell_progress(1, 2, "to nobody")
    with listening(lambda *told: heard.append(told)):
        tell_progress(1, 2, "files merged")
    tell_progress(2, 2, "to nobody")
    assert heard == [(1, 2, "files merged")]


@pytest.mark.parametrize(
    ("arguments", "begun", "expected"),
    [
        ([], "pl", "plan"),
        (["run"], "dem", "demo"),
        (["run", "demo", "--set"], "training.max_s", "training.max_steps="),
        (["show"], "la", "latest"),
    ],
)
def test_a_shell_is_offered_commands_recipes_settings_and_runs(
    arguments: list[str], begun: str, expected: str
) -> None:
    offered = ShellComplete(cli, {}, "freshtune", "_FRESHTUNE_COMPLETE").get_completions(arguments, begun)
    assert expected in [one.value for one in offered]


def test_bash_completes_with_what_the_command_prints() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "completion", "bash"],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    script = f"""{said.stdout}
complete -p freshtune"""
    known = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "_freshtune_completion" in known.stdout
