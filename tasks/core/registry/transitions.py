"""Transitions: every change of who is champion, one at a time, each with a line in a history that only grows.

The history is the registry's own: tags of the registered model, so that all who share the registry share it. A transition
that a kill cut off between the alias and its line, and one that somebody made in MLflow's own pages, are told all the same.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from tasks.core.errors import Refused, ServiceError, SettingsError
from tasks.core.registry.client import CHALLENGER, CHAMPION, PREVIOUS, Registry, Version
from tasks.core.registry.lineage import (
    DECIDED_AT,
    DECIDED_BY,
    KEPT_OUT,
    PROMOTION,
    REASON,
    REPLACED,
    SET_ASIDE,
)
from tasks.core.registry.succession import number

EVENT = "freshtune.event."
CLAIM = " (champion is changing)"
STALE = 30.0  # seconds after which a claim is of one that was killed; a transition takes about one
LONGEST = 4000
PROMOTED, ROLLED_BACK, REJECTED, ELSEWHERE = "promoted", "rolled back", "rejected", "moved elsewhere"


@dataclass(frozen=True)
class Event:
    """One transition: what happened, when (seconds since 1970), by whom, why, and who was champion before and after.

    A rejection leaves the champion; its `version` is the one that was rejected. 0 is none.
    """

    kind: str
    version: int
    when: float
    who: str
    why: str
    before: int
    after: int


def history(client: Registry, name: str) -> list[Event]:
    """Give all transitions of a model, oldest first."""
    told = _told(client, name)
    told |= _untold(client, name, told)
    events = [told[turn] for turn in sorted(told)]
    champion = client.champion(name)
    now, last = champion.version if champion else 0, events[-1].after if events else 0
    if now != last:
        events.append(Event(ELSEWHERE, now, time.time(), "", "", last, now))
    return events


def promote(
    client: Registry,
    name: str,
    version: int,
    *,
    instead_of: int,
    who: str,
    why: str,
    by_person: bool = False,
    kind: str = PROMOTED,
) -> Event:
    """Make a version champion in the place of `instead_of` (0 for none), and note what it replaced.

    What a person replaces is set aside: no gate makes it champion again.

    Raises `Refused` when another is champion by now, `ServiceError` while another transition is under way.
    """
    with _alone(client, name):
        champion = client.champion(name)
        now = champion.version if champion else 0
        if now != instead_of:
            raise Refused(
                f"Version {now or 'none'} is champion of {name} by now, where {instead_of or 'none'} was.",
                cure="Look at it with `freshtune models --history`, and say it again if you still want it.",
            )
        turn = _next_turn(client, name)
        event = Event(kind, version, time.time(), who, why[:LONGEST], now, version)
        tags = {REASON: event.why, PROMOTION: str(turn), DECIDED_BY: who, DECIDED_AT: f"{event.when:.3f}"}
        tags[KEPT_OUT] = ""
        if by_person:
            tags[SET_ASIDE] = ""
        # the way back leads through what a version replaced when it passed, however often it came back since
        client.tag_version(name, version, tags if kind == ROLLED_BACK else {**tags, REPLACED: str(now)})
        if kind != ROLLED_BACK and now:
            client.set_alias(name, PREVIOUS, now)
        client.set_alias(name, CHAMPION, version)
        if by_person and now:
            client.tag_version(name, now, {SET_ASIDE: f"{who}: {event.why}"})
        _write(client, name, turn, event)
        if client.aliases(name).get(CHALLENGER) == version:
            client.drop_alias(name, CHALLENGER)
    return event


def roll_back(client: Registry, name: str, *, who: str, why: str) -> Event:
    """Make the version champion that the champion replaced; said again, it leads further back.

    What was rejected since is passed over. Raises `SettingsError` when there is none.
    """
    champion = client.champion(name)
    target = _before(client, name, champion) if champion else 0
    if champion is None or not target:
        raise SettingsError(
            f"There is no version of {name} to roll back to.",
            cure="Name one with `freshtune promote VERSION`; `freshtune models` lists them.",
        )
    event = promote(
        client,
        name,
        target,
        instead_of=champion.version,
        who=who,
        why=why,
        by_person=True,
        kind=ROLLED_BACK,
    )
    _name_previous(client, name, client.version(name, target))
    return event


def reject(client: Registry, name: str, version: int, *, who: str, why: str) -> Event:
    """Set a version aside, which no gate makes champion then; what is champion stays.

    Raises `SettingsError` for the champion itself.
    """
    champion = client.champion(name)
    now = champion.version if champion else 0
    if now == version:
        raise SettingsError(
            f"Version {version} of {name} is champion.", cure="Take it back with `freshtune rollback`."
        )
    with _alone(client, name):
        event = Event(REJECTED, version, time.time(), who, why[:LONGEST], now, now)
        client.tag_version(name, version, {SET_ASIDE: f"{who}: {event.why}"})
        turn = _next_turn(client, name)
        _write(client, name, turn, event)
        if client.aliases(name).get(CHALLENGER) == version:
            client.drop_alias(name, CHALLENGER)
        if client.aliases(name).get(PREVIOUS) == version:
            _name_previous(client, name, champion)
    return event


def _name_previous(client: Registry, name: str, champion: Version | None) -> None:
    """Let the alias tell where a rollback leads from a champion."""
    before = _before(client, name, champion)
    if before:
        client.set_alias(name, PREVIOUS, before)
    elif PREVIOUS in client.aliases(name):
        client.drop_alias(name, PREVIOUS)


def _before(client: Registry, name: str, version: Version | None) -> int:
    """Give the version that `version` replaced when it passed, or the last before it that nobody rejected since.

    0 where that is none, or was deleted.
    """
    last = {event.version: event.kind for event in history(client, name)}
    passed = {version.version} if version else set()
    while version and (replaced := int(version.tags.get(REPLACED, "0"))) not in passed:
        version = client.version(name, replaced) if replaced else None
        if version and last.get(replaced) != REJECTED:
            return replaced
        passed.add(replaced)
    return 0


def _told(client: Registry, name: str) -> dict[int, Event]:
    tags = client.model_tags(name)
    return {
        int(tag.removeprefix(EVENT)): Event(**json.loads(value))
        for tag, value in tags.items()
        if tag.startswith(EVENT)
    }


def _untold(client: Registry, name: str, told: Mapping[int, Event]) -> dict[int, Event]:
    """Give the transition that moved the alias and was killed before its line, if the last one was."""
    champion = client.champion(name)
    turn = number(champion) if champion else 0
    return {turn: _of_tags(champion)} if champion and turn > max(told, default=0) else {}


def _next_turn(client: Registry, name: str) -> int:
    """Give the number of the next transition; a line that is missing before it is written first."""
    told = _told(client, name)
    for turn, event in _untold(client, name, told).items():
        _write(client, name, turn, event)
    return 1 + max([*told, *(number(one) for one in client.versions(name))], default=0)


def _write(client: Registry, name: str, turn: int, event: Event) -> None:
    client.tag_model(name, f"{EVENT}{turn:06d}", json.dumps(asdict(event), ensure_ascii=False))


def _of_tags(version: Version) -> Event:
    tags = version.tags
    return Event(
        PROMOTED,
        version.version,
        float(tags.get(DECIDED_AT, version.created)),
        tags.get(DECIDED_BY, ""),
        tags.get(REASON, ""),
        int(tags.get(REPLACED, "0")),
        version.version,
    )


@contextmanager
def _alone(client: Registry, name: str) -> Iterator[None]:
    """Be the only one that changes who is champion; the names of registered models are the one thing MLflow keeps unique.

    Raises `ServiceError` while another does; a claim that was left by a kill is taken over.
    """
    claim = f"{name}{CLAIM}"
    if not client.make_model(claim):
        if time.time() - client.made_at(claim) < STALE:
            raise ServiceError(
                f"Another change of the champion of {name} is under way.",
                cure=f"Look at `freshtune models --history`, and try again; one that was killed is forgotten after {STALE:.0f} s.",
            )
        client.drop_model(claim)
        if not client.make_model(claim):
            raise ServiceError(f"Another change of the champion of {name} is under way.", cure="Try again.")
    try:
        yield
    finally:
        client.drop_model(claim)
