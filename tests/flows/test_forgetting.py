"""Somebody is forgotten in a workspace of real runs: nothing of them is left, nothing of them comes back, all is counted."""

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from journeys import ROOT, SAMPLE, freshtune, outcome_of, plain_environment, small_settings
from markers import files_with

from tasks.core.errors import SettingsError, StillHeld
from tasks.core.files.parsing import read_lines
from tasks.core.settings import QualitySettings, Settings
from tasks.core.store.locks import at_work
from tasks.core.store.tombstones import TOMBSTONES
from tasks.journal import JOURNAL, Journal

WHO = "orvala.tend@example.org"
FATES = ("kept", "quarantined", "filtered", "duplicates", "over_length")
TEXTS = ("body", "reply")
THINGS = ("violet lantern", "copper kettle", "wooden ladder")


def hers() -> list[dict[str, Any]]:
    """Give three conversations: one is kept, one has no reply, one ends up in quarantine at a later door."""
    return [
        {
            "conversation_id": f"ORVALA-{number}",
            "created": "2026-07-03T10:00:00Z",
            "language": "en",
            "product": "notelle",
            "requester": WHO,
            "agent": "Kim",
            "subject": f"About the {thing} in my greenhouse",
            "body": f"Since the storm of last week the {thing} in my greenhouse hums at night and does not stop.",
            "reply": ""
            if number == 1
            else f"Unplug the {thing}, wait for ten minutes, and plug it in again.",
        }
        for number, thing in enumerate(THINGS)
    ]


MARKERS = [WHO, "ORVALA-", *THINGS]


def others(count: int) -> list[bytes]:
    return (SAMPLE / "2026-07.jsonl").read_bytes().splitlines(keepends=True)[:count]


def whole(rows: dict[str, int]) -> bool:
    return rows["in"] == sum(rows[fate] for fate in FATES)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs.jsonl"
    torn = f'{{"conversation_id": "ORVALA-9", "requester": "{WHO}", "body": "My viol\n'
    rows = [json.dumps(one) + "\n" for one in hers()]
    path.write_bytes(b"".join([*others(220), *map(str.encode, rows), torn.encode()]))
    return path


def arguments(command: str, logs: Path) -> list[str]:
    few = ["--set", "quality.min_examples=10"]
    return [command, "demo", "--json", "--logs", str(logs), *few]


def kill_once_told(workspace: Path) -> int:
    """Begin to forget, and kill it as soon as the tombstone is there."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "deployments.cli",
            "forget",
            "--requester",
            WHO,
            "--workspace",
            str(workspace),
        ],
        cwd=ROOT,
        env=plain_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (workspace / TOMBSTONES).exists():
        time.sleep(0.001)
    process.kill()
    return process.wait()


def test_somebody_is_forgotten_for_good(logs: Path, fresh_workspace: Path) -> None:
    place = fresh_workspace
    before = outcome_of(freshtune(*arguments("check", logs), workspace=place))["rows"]
    assert whole(before)
    assert len(files_with(place, MARKERS)) > 5

    assert kill_once_told(place) == -signal.SIGKILL
    told = outcome_of(freshtune("forget", "--requester", WHO, "--json", workspace=place))
    assert told["hits"] == 0
    assert told["logs"] == [{"file": str(logs), "lines": 4}]
    assert files_with(place, MARKERS) == set()
    assert WHO.encode() not in (place / TOMBSTONES).read_bytes()

    after = outcome_of(freshtune(*arguments("check", logs), workspace=place))
    assert whole(after["rows"])
    assert after["rows"]["in"] == before["in"]
    assert after["reasons"]["filtered: forgotten"] == 4
    assert after["rows"]["filtered"] == before["filtered"] + 4
    assert files_with(place, MARKERS) == set()

    again = freshtune("forget", "--requester", WHO, workspace=place)
    assert again.stdout.startswith("Forgotten already")
    assert f"{logs} still has 4 lines" in again.stdout


def test_whoever_is_not_known_is_left_out_when_they_come(fresh_workspace: Path) -> None:
    said = freshtune("forget", "--requester", WHO, workspace=fresh_workspace)
    assert said.returncode == 0, said.stderr
    assert "rows that later logs bring will be left out" in said.stdout
    assert (fresh_workspace / TOMBSTONES).exists()
    nobody = freshtune("forget", "--requester", " ", workspace=fresh_workspace)
    assert nobody.returncode == 2
    assert "of nobody" in nobody.stderr


def test_what_nothing_here_can_mend_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    from flows.forgetting import forget_requester

    settings, kept = Settings(workspace=tmp_path), tmp_path / "notes.bin"
    kept.write_bytes(b"\x00" + WHO.encode() + b"\x00 greenhouse")
    with pytest.raises(StillHeld, match=r"is still in notes\.bin\.") as left:
        forget_requester(settings, WHO, dry_run=False)
    assert left.value.exit_code == 3
    assert not any(word in str(left.value) for word in (WHO, "greenhouse"))
    kept.unlink()
    assert forget_requester(settings, WHO, dry_run=False)["hits"] == 0


def checked(settings: Settings) -> dict[str, Any]:
    from flows.retrain import check

    token = JOURNAL.set(Journal())
    try:
        return check(settings)
    finally:
        JOURNAL.reset(token)


def as_messages(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "ticket_id": row["conversation_id"],
            "time": f"2026-07-01T10:{second:02}:00Z",
            "role": role,
            "text": text,
            "requester": row["requester"] if role == "customer" else "",
        }
        for row in rows
        for second, (role, text) in enumerate((("customer", row["body"]), ("agent", row["reply"])))
    ]


def written(folder: Path, form: str) -> list[Path]:
    """Write the log packed, with a file that has only her rows, or as messages with questions and replies in two files."""
    read = [*(record for _, _, record in read_lines(b"".join(others(60)))), *hers()]
    rows = [
        row for row in read if isinstance(row, dict) and all(isinstance(row.get(name), str) for name in TEXTS)
    ]
    if form == "packed":
        mine = [one for one in rows if one["requester"] == WHO]
        parts = {"logs.jsonl.gz": [one for one in rows if one not in mine[1:]], "hers.jsonl.gz": mine[1:]}
        for name, part in parts.items():
            lines = "".join(json.dumps(one) + "\n" for one in part)
            (folder / name).write_bytes(gzip.compress(lines.encode()))
        return [folder / name for name in parts]
    messages = as_messages(rows)
    for name, part in (("one.jsonl", messages[::2]), ("two.jsonl", messages[1::2])):
        (folder / name).write_text("".join(json.dumps(one) + "\n" for one in part), encoding="utf-8")
    return [folder / "one.jsonl", folder / "two.jsonl"]


@pytest.mark.parametrize("form", ["packed", "messages"])
def test_copies_and_conversations_over_files_go_too(form: str, prefect_server: None, tmp_path: Path) -> None:
    from flows.forgetting import forget_requester

    place = tmp_path / "ws"
    few = QualitySettings(min_examples=5, max_quarantined=0.6)
    settings = small_settings(place, *written(tmp_path, form)).model_copy(update={"quality": few})
    before = checked(settings)["rows"]
    step = {"packed": "unpacking", "messages": "message_collection"}[form]
    assert any(name.startswith(f"store/{step}/") for name in files_with(place, MARKERS))

    held = files_with(place, MARKERS)
    dry = forget_requester(settings, WHO, dry_run=True)
    assert files_with(place, MARKERS) == held
    assert not (place / TOMBSTONES).exists()

    with at_work(place), pytest.raises(SettingsError, match="A run is in progress"):
        forget_requester(settings, WHO, dry_run=False)
    assert files_with(place, MARKERS) == held

    told = forget_requester(settings, WHO, dry_run=False)
    assert told["rows"] == dry["rows"] == 3
    assert (told["artifacts"], told["status"]) == (dry["artifacts"], "forgotten")
    assert files_with(place, MARKERS) == set()

    after = checked(settings)
    assert after["rows"]["in"] == before["in"]
    assert whole(after["rows"])
    assert after["reasons"]["filtered: forgotten"] == 3
    assert files_with(place, MARKERS) == set()
