"""The watcher of a workspace: it tells Prefect of new logs, and of runs whose process is gone."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.services.starting import enter, wait_for_servers
from tasks.core.errors import FreshtuneError, ServiceError
from tasks.core.operating.addresses import Addresses, services_folder
from tasks.core.operating.log_watching import Look, logs_state, look_again
from tasks.core.store.syncing import write_whole

if TYPE_CHECKING:
    from flows.deployed import Deployment

OFTEN = 5.0  # seconds between two looks
SETTLED = 15.0  # seconds for which a file must have stayed as it is
RECONCILE = 60.0  # seconds between two looks at runs
WATCHED = "watched.json"
logger = logging.getLogger("freshtune.watcher")


def watch(workspace: Path, addresses: Addresses) -> None:
    """Look for new logs of every deployment that retrains, for ever; a server that is away is asked again."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    wait_for_servers(addresses)
    from flows.run_states import settle_runs

    looks, reconciled = read_looks(workspace), float("-inf")
    while True:
        try:
            if time.monotonic() - reconciled >= RECONCILE:
                for told in settle_runs(workspace):
                    logger.info("%s", told)
                reconciled = time.monotonic()
            looks = look_round(workspace, looks)
        except ServiceError as error:
            logger.warning("%s", error)
        time.sleep(OFTEN)


def look_round(workspace: Path, looks: Mapping[str, Look]) -> dict[str, Look]:
    """Look once at the logs of every deployment; tell Prefect of those that are new, and keep what was told at once.

    Where a run waits already, or the deployment is paused, new logs are told later. Trouble with one stops no other.
    """
    from flows.deployed import watched_deployments

    now = dict[str, Look]()
    for one in watched_deployments():
        look = before = looks.get(one.id)
        try:
            look = _look(one, before)
        except (FreshtuneError, OSError) as error:
            logger.warning("%s: %s", one.name, error)
        if look:
            now[one.id] = look
            if look != before:
                keep_looks(workspace, {**looks, **now})
    return now


def _look(one: "Deployment", before: Look | None) -> Look:
    from flows.deployed import announce_logs

    found, is_new = look_again(before, logs_state(one.logs), time.time(), SETTLED)
    if before is None or not is_new:
        return found
    if one.waiting or one.paused:
        return Look(before.told, found.seen, before.since)
    announce_logs(one)
    logger.info("new logs for %s", one.name)
    return found


def read_looks(workspace: Path) -> dict[str, Look]:
    """Read what was known before this process started."""
    try:
        kept = json.loads((services_folder(workspace) / WATCHED).read_bytes())
        return {name: Look(**look) for name, look in kept.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        logger.warning("%s is damaged: the logs of now count as known.", WATCHED)
        return {}


def keep_looks(workspace: Path, looks: Mapping[str, Look]) -> None:
    """Keep what is known, for the next start."""
    text = json.dumps({name: asdict(look) for name, look in looks.items()}, indent=1)
    write_whole(services_folder(workspace) / WATCHED, text)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    watch(place, enter(place))
