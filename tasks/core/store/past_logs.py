"""Past logs: what runs were told of their logs, also when a cleaning has removed the runs."""

from pathlib import Path

import yaml

from tasks.core.store.digests import digest_value
from tasks.core.store.run_files import SETTINGS
from tasks.core.store.syncing import write_whole

PAST = "past_logs"


def settings_of_runs(workspace: Path) -> list[Path]:
    """Give the files with the settings of every run that there was, each at least with its section `logs`."""
    return sorted([*(workspace / "runs").glob(f"*/{SETTINGS}"), *(workspace / PAST).glob("*.yaml")])


def keep_log_settings(workspace: Path, run: Path) -> None:
    """Keep what a run that is about to go was told of its logs, once; a run that left no readable settings told nothing."""
    try:
        logs = yaml.safe_load((run / SETTINGS).read_text(encoding="utf-8"))["logs"]
        digest = digest_value(logs)
    except (FileNotFoundError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return
    place = workspace / PAST
    place.mkdir(exist_ok=True, mode=0o700)
    write_whole(place / f"{digest[:32]}.yaml", yaml.safe_dump({"logs": logs}, allow_unicode=True))
