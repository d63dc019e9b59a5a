"""`kill -9` of the whole process group at random moments: the next start goes on, to the same model, once."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from journeys import ROOT, Told, freshtune, outcome_of, plain_environment, small_arguments, small_logs

from tasks.core.store.artifacts import damage

KILLS = 10
START = 8  # seconds of the interpreter and of Prefect before the first step


def killed_after(seconds: float, arguments: list[str], workspace: Path) -> bool:
    """Start a run in a group of its own and kill the group after a while; say whether it had not ended before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deployments.cli", *arguments, "--workspace", str(workspace)],
        cwd=ROOT,
        env=plain_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def orphans(workspace: Path) -> list[int]:
    """Give the processes that work in a workspace; what dies with its parent may take a moment."""
    deadline = time.monotonic() + 5
    while (alive := list(_processes(workspace))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive


def _processes(workspace: Path) -> Iterator[int]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(workspace) in process.environ().get("PREFECT_HOME", ""):
                yield process.pid


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return small_arguments(*small_logs(tmp_path_factory.mktemp("logs")))


def test_a_run_killed_ten_times_ends_like_an_undisturbed_one(
    first: Told, arguments: list[str], fresh_workspace: Path, tmp_path: Path
) -> None:
    calm, _ = first
    length = calm["seconds"] + START
    draw = random.Random(7)
    moments = [draw.uniform(0.2, 0.45) * length for _ in range(KILLS)]
    wild = fresh_workspace
    hits = []
    for moment in moments:
        hits.append(killed_after(moment, arguments, wild))
        assert not orphans(wild)
        assert not [folder for folder in wild.glob("store/*/*") if damage(folder)]  # complete or absent
    assert sum(hits) >= KILLS // 2, "too many runs ended before they were killed"

    told = outcome_of(freshtune(*arguments, workspace=wild))
    assert told["model"]["version"] == 1
    assert told["model"]["aliases"] == ["champion"]
    assert told["model"]["adapter_digest"] == calm["model"]["adapter_digest"]
    assert told["metrics"]["challenger"] == calm["metrics"]["challenger"]
    assert told["rows"] == calm["rows"]
    versions = freshtune("models", "--json", workspace=wild).stdout
    assert versions.count('"version"') == 1
    assert not list((wild / "drafts").iterdir())

    wild.rename(tmp_path / "moved")
    again = outcome_of(freshtune(*arguments, workspace=tmp_path / "moved"))
    assert all(step["cached"] for step in again["steps"])
    assert again["status"] == "skipped"


LATE = {
    "weighing",
    "evaluation",
    "gating",
    "promotion",
}  # the second run may find the first one's version as champion


def test_starts_of_one_slot_at_once_are_one_training(arguments: list[str], fresh_workspace: Path) -> None:
    words = [*arguments, "--set", "worth.min_new_rows=1", "--workspace", str(fresh_workspace)]
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "deployments.cli", *words],
            cwd=ROOT,
            env=plain_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [outcome_of(subprocess.CompletedProcess([], one.wait(), *one.communicate())) for one in starts]
    built = Counter(step["name"] for outcome in told for step in outcome["steps"] if not step["cached"])
    promoted = next(one for one in told if one["status"] == "promoted")
    steps = Counter(step["name"] for step in promoted["steps"])
    assert {name: built[name] for name in steps if name not in LATE} == {
        name: count for name, count in steps.items() if name not in LATE
    }
    assert built["adapter_training"] == 1
    assert {one["status"] for one in told} <= {"promoted", "skipped"}
    assert [one["status"] for one in told].count("promoted") == 1
    assert len(list((fresh_workspace / "store" / "adapter_training").iterdir())) == 1
    assert freshtune("models", "--json", workspace=fresh_workspace).stdout.count('"version"') == 1

    late = outcome_of(freshtune(*words))
    assert late["status"] == "skipped"
    assert late["reason"].startswith("Skip, because none of ")
    assert "adapter_training" not in {step["name"] for step in late["steps"]}


def test_a_full_disk_leaves_nothing_half_written(
    arguments: list[str], migrated: Path, tmp_path: Path
) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.fail("this test needs unshare -rm, to mount a small disk of its own")
    words = " ".join(f"'{one}'" for one in arguments)
    place = tmp_path / "small"
    place.mkdir()
    script = (
        f"mount -t tmpfs -o size=24m tmpfs {place} && install -D {migrated} {place}/ws/prefect/prefect.db && {sys.executable} -m deployments.cli {words} --workspace {place}/ws;"
        f"code=$?; ls -A {place}/ws/drafts >&2; exit $code"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr[-1500:]
    assert '"DiskFull"' in done.stdout
    assert "Traceback" not in done.stderr
