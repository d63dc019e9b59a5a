"""What a run prints is kept where nobody reads it, left alone where somebody does, and a closed stream harms nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINTS = """
import os, sys
from pathlib import Path
from tasks.core.store.outputs import output_kept
print("before")
with output_kept(Path(sys.argv[1])):
    print("from Python")
    os.system("echo from a child; echo a complaint >&2")
    os.write(1, b"from below\\n")
print("after")
"""
CLOSED = 0


def close_errors() -> None:
    os.close(2)


def printed(file: Path, out: int, err: int) -> str:
    """Give what comes out of a process whose streams lead there."""
    ran = subprocess.run(
        [sys.executable, "-c", PRINTS, str(file)],
        text=True,
        check=True,
        stdout=out,
        stderr=None if err == CLOSED else err,
        preexec_fn=close_errors if err == CLOSED else None,
    )
    return ran.stdout


def test_what_nobody_reads_is_kept_to_the_last_word_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "output.log"
    printed(file, subprocess.DEVNULL, subprocess.DEVNULL)
    kept = ["a complaint", "from Python", "from a child", "from below"]
    assert sorted(file.read_text().splitlines()) == kept
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_somebody_reads_stays_with_them(tmp_path: Path) -> None:
    file = tmp_path / "output.log"
    told = printed(file, subprocess.PIPE, subprocess.DEVNULL)
    assert set(told.splitlines()) == {"before", "from Python", "from a child", "from below", "after"}
    assert file.read_text().splitlines() == ["a complaint"]


@pytest.mark.parametrize("errors", [subprocess.PIPE, CLOSED])
def test_nothing_is_made_where_none_leads_nowhere(tmp_path: Path, errors: int) -> None:
    file = tmp_path / "output.log"
    assert "from Python" in printed(file, subprocess.PIPE, errors)
    assert not file.exists()
