"""A requester is forgotten: a tombstone first, then everything of them goes, and at last it is looked for once more."""

from collections.abc import Sequence
from typing import Any

from tasks.core.erasure.evidence import Evidence, gather, seen_of_others
from tasks.core.erasure.log_reading import known_logs, look_through
from tasks.core.erasure.needles import Needles, needles_of
from tasks.core.erasure.removal import plan_removal, remove, size_of
from tasks.core.erasure.searching import search
from tasks.core.errors import StillHeld
from tasks.core.registry.client import Version, open_registry
from tasks.core.registry.tracing import learned_from, untraceable
from tasks.core.settings import Settings
from tasks.core.store.locks import alone
from tasks.core.store.tombstones import Marked, add_tombstones, known_versions, read_tombstones

SHOWN = 5  # files in a message


def forget_requester(settings: Settings, requester: str, *, dry_run: bool) -> dict[str, Any]:
    """Remove every row of `requester`, exactly as the log names them, and let none come back; or say what would go.

    Said again it goes on where it was cut off, and finds nothing when all is done. Somebody who is not known gets a
    tombstone too: their rows may be in logs that come later.

    Raises:
        SettingsError: a run is in progress; nothing was changed.
        ServiceError: MLflow does not answer, or a database is in use; to be said again.
        StillHeld: something is left all the same.
    """
    place = settings.workspace
    with alone(place):
        before = read_tombstones(place)
        logs = look_through(known_logs(place), requester, place)
        found = gather(place, requester, logs)
        needles, naming = _needles(settings, found)
        hits = search(place, needles)
        plan = plan_removal(place, hits)
        size, (taught, unknown) = size_of(plan), _learned(settings, found)
        learned = {*known_versions(before, requester), *taught}
        if not dry_run:
            add_tombstones(place, _marked(found), learned)
            remove(place, plan, found, hits)
            _insist_on_nothing_left(settings, needles)
    return {
        "schema": 1,
        "status": "would forget" if dry_run else "forgotten",
        "known": before.cover("requester", requester),
        "rows": len(found.rows),
        "conversations": len(found.conversations),
        "artifacts": [path.relative_to(place).as_posix() for path in plan.artifacts],
        "files": [path.relative_to(place).as_posix() for path in (*plan.leftovers, *plan.run_texts)],
        "rewritten": [path.relative_to(place).as_posix() for path in (*plan.rewritten, *plan.databases)],
        "bytes": size,
        "versions": sorted(learned),
        "versions_unknown": sorted(set(unknown) - learned),
        "logs": [{"file": file, "lines": lines} for file, lines in sorted(logs.lines.items())],
        "unread_logs": sorted(logs.unread),
        "rows_of_others_naming": naming,
        "hits": len(hits.paths) if dry_run else 0,
    }


def _needles(settings: Settings, found: Evidence) -> tuple[Needles, int]:
    """Give what tells of this requester and of nobody else."""
    common = settings.model_dump_json()
    needles = needles_of(found.requester, found.conversations, found.records, found.texts, common)
    shared, naming = seen_of_others(settings.workspace, found, needles)
    return needles.without(shared), naming


def _learned(settings: Settings, found: Evidence) -> tuple[list[str], list[str]]:
    """Name the versions that were trained on somebody's rows, and those of which that cannot be said any more."""
    client = open_registry(settings.workspace)
    versions = [version for name in client.model_names() for version in client.versions(name)]
    learned = learned_from(settings.workspace, versions, found.rows)
    unknown = [one for one in untraceable(settings.workspace, versions) if one not in learned]
    return _named(learned), _named(unknown)


def _named(versions: Sequence[Version]) -> list[str]:
    return [f"{one.name}/{one.version}" for one in versions]


def _marked(found: Evidence) -> list[Marked]:
    """Name what intake must leave out: the requester, and what it could not know to be theirs."""
    marked: list[Marked] = [("requester", found.requester)]
    marked += [("conversation", one) for one in found.threads]
    return [*marked, *(("record", one) for one in found.broken)]


def _insist_on_nothing_left(settings: Settings, needles: Needles) -> None:
    left = [
        path.relative_to(settings.workspace).as_posix() for path in search(settings.workspace, needles).paths
    ]
    if left:
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        raise StillHeld(
            f"Something of the requester is still in {', '.join(left[:SHOWN])}{more}.",
            cure="Nothing here knows how to mend them: remove them, and say this again.",
        )
