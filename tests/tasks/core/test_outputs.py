"""What a run prints is kept where nobody reads it, left alone where somebody does, and a closed stream harms nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PRINTS = """
import os, signal, sys
from pathlib import Path
from tasks.core.store.outputs import keep_output
print("before", flush=True)
keep_output(Path(sys.argv[1]))
print("from Python")
os.system("echo from a child; echo a complaint >&2")
os.write(1, b"from below\\n")
keep_output(Path(sys.argv[1] + ".next"))
print("of the next run")
os.kill(os.getpid(), signal.SIGKILL)
"""
CLOSED = 0


def close_errors() -> None:
    os.close(2)


def printed(file: Path, out: int, err: int) -> str:
    """Give what comes out of a process whose streams lead there."""
    ran = subprocess.run(
        [sys.executable, "-c", PRINTS, str(file)],
        text=True,
        check=False,
        stdout=out,
        stderr=None if err == CLOSED else err,
        preexec_fn=close_errors if err == CLOSED else None,
    )
    assert ran.returncode == -signal.SIGKILL
    return ran.stdout


def after(file: Path) -> Path:
    return Path(f"{file}.next")


def test_what_nobody_reads_is_kept_to_the_last_word_of_a_killed_run_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "output.log"
    printed(file, subprocess.DEVNULL, subprocess.DEVNULL)
    kept = ["a complaint", "from Python", "from a child", "from below"]
    assert sorted(file.read_text().splitlines()) == kept
    assert after(file).read_text() == "of the next run\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_somebody_reads_stays_with_them(tmp_path: Path) -> None:
    file = tmp_path / "output.log"
    told = printed(file, subprocess.PIPE, subprocess.DEVNULL)
    assert {"before", "from a child", "from below"} <= set(told.splitlines())
    assert file.read_text().splitlines() == ["a complaint"]
    assert after(file).read_text() == ""


@pytest.mark.parametrize("errors", [subprocess.PIPE, CLOSED])
def test_nothing_is_made_where_none_leads_nowhere(tmp_path: Path, errors: int) -> None:
    file = tmp_path / "output.log"
    assert "from a child" in printed(file, subprocess.PIPE, errors)
    assert not file.exists()
