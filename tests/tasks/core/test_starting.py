"""Starting and ending quickly leaves nothing undone."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import atexit, gc, sys, tempfile
from pathlib import Path
from tasks.core.starting import look_as_usual, start_quickly
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # called after what was registered later
usual = gc.get_threshold()
start_quickly()
kept = tempfile.TemporaryDirectory(dir=sys.argv[1])
written = open(Path(sys.argv[1]) / "text", "w")
written.write("whole")
print(gc.get_threshold()[0], gc.isenabled())
look_as_usual()
print(gc.get_threshold() == usual)
"""


def test_a_process_that_ends_quickly_leaves_nothing_half_done(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "50000 True\nTrue\nTrue\n"), done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["text"]
    assert (tmp_path / "text").read_text() == "whole"
