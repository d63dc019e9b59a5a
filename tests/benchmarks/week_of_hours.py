"""A week of hourly runs, at speed: what is left of processes, memory and disk when new rows come every hour.

Every hour some conversations of the sample logs arrive in the day's file, and the whole story runs with the starter model; a
training is worth it once there are enough new rows. Every day the workspace is cleaned. The clock is the count of hours: nothing
waits. Run from the root of the repository: `python tests/benchmarks/week_of_hours.py [HOURS]`.
"""

import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
HOURS, ROWS = 168, 8  # of the week; conversations an hour
NEW, KEPT = 120, 24  # rows that make a training worth it; runs that are kept
WEEK = ROOT / "tests" / "benchmarks" / f"week-{time.strftime('%Y-%m-%d')}.json"


def live(hours: int) -> list[dict[str, Any]]:
    """Run every hour of the week; give what was there at the end of each day, after its cleaning."""
    from flows.environment import prepare
    from flows.own_server import start_own_server

    place = Path(tempfile.mkdtemp(prefix="freshtune-week-"))
    prepare(place / "ws")
    start_own_server(place / "ws")
    from flows.cleaning_up import clean_workspace
    from flows.running import run_retrain

    (place / "logs").mkdir()
    lines = [
        line
        for file in sorted((ROOT / "tests/data/support_logs").glob("*.jsonl"))
        for line in file.open("rb")
    ]
    settings, days, spent = _settings(place), list[dict[str, Any]](), dict[str, int]()
    began = time.monotonic()
    for hour in range(hours):
        with (place / "logs" / f"day-{hour // 24 + 1}.jsonl").open("ab") as log:
            log.writelines(lines[ROWS * hour : ROWS * (hour + 1)])
        if ROWS * (hour + 1) < 2 * NEW:  # too few to be anything
            continue
        status = run_retrain(settings, lambda _: None)["status"]
        spent[status] = spent.get(status, 0) + 1
        if hour % 24 == 23 or hour == hours - 1:
            freed = clean_workspace(settings, dry_run=False)
            days.append(_look(place / "ws", hour + 1, freed["bytes"], dict(spent), time.monotonic() - began))
            print(json.dumps(days[-1]), flush=True)
    return days


def _settings(place: Path) -> Any:
    from journeys import small_settings

    from tasks.core.settings import RetentionSettings, WorthSettings

    made = small_settings(place / "ws", place / "logs")
    return made.model_copy(
        update={
            "worth": WorthSettings(min_new_rows=NEW),
            "retention": RetentionSettings(keep_runs=KEPT),
            "quality": made.quality.model_copy(update={"min_examples": 100}),
        }
    )


def _look(workspace: Path, hour: int, freed: int, runs: dict[str, int], seconds: float) -> dict[str, Any]:
    import psutil

    from tasks.core.registry.client import open_registry

    gc.collect()
    me = psutil.Process(os.getpid())
    sizes = {
        name: round(
            sum(one.lstat().st_size for one in (workspace / name).rglob("*") if one.is_file()) / 2**20, 1
        )
        for name in ("store", "runs", "mlflow", "prefect", "work", "drafts", "damaged")
    }
    return {
        "hour": hour,
        "seconds": round(seconds),
        "ended": runs,
        "versions": len(open_registry(workspace).versions("support-assistant")),
        "run folders": len(list((workspace / "runs").iterdir())),
        "freed_mib": round(freed / 2**20, 1),
        "mib": sizes,
        "resident_mib": round(me.memory_info().rss / 2**20),
        "server_mib": round(sum(child.memory_info().rss for child in me.children()) / 2**20),
        "processes": len(me.children(recursive=True)),
        "threads": me.num_threads(),
        "open_files": me.num_fds(),
    }


if __name__ == "__main__":
    found = live(int(sys.argv[1]) if len(sys.argv) > 1 else HOURS)
    from deployments.bench.machine import machine

    told = {
        "machine": machine(),
        "rows_an_hour": ROWS,
        "worth.min_new_rows": NEW,
        "retention.keep_runs": KEPT,
    }
    WEEK.write_text(json.dumps({**told, "days": found}, indent=1) + "\n")
