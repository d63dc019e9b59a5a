"""What a person does with the registry's versions: promote one, reject one, or take the last change back."""

import getpass
import os
import platform
from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.registry.client import CHAMPION, Version, open_registry
from tasks.core.registry.lineage import KEPT_OUT, WAITING
from tasks.core.registry.transitions import Event, promote, reject, roll_back
from tasks.core.registry.versions import known_version, whole_package
from tasks.core.settings import Settings


def promote_version(settings: Settings, version: int, why: str, who: str = "") -> dict[str, Any]:
    """Make a version champion, whatever the gate said of it.

    Where the gate had kept it out, `kept_out` says why. Raises `SettingsError` without a reason, when there is no such
    version, or when it is champion already; `ModelError` when a file of it is not the one that was registered.
    """
    _insist_on_reason(why)
    client, name = open_registry(settings.workspace), settings.registry.name
    found = known_version(client, name, version)
    now = client.aliases(name).get(CHAMPION, 0)
    if now == version:
        raise SettingsError(
            f"Version {version} of {name} is champion already.", cure="Nothing is to be done."
        )
    whole_package(client, found, settings.workspace / "answers")
    event = promote(client, name, version, instead_of=now, who=who or _person(), why=why, by_person=True)
    _answer_form(found, event, approved=True)
    return _outcome("promoted", name, event) | {"kept_out": found.tags.get(KEPT_OUT, "")}


def reject_version(settings: Settings, version: int, why: str) -> dict[str, Any]:
    """Set a version aside, which no gate makes champion then.

    Raises `SettingsError` without a reason, when there is no such version, or when it is champion.
    """
    _insist_on_reason(why)
    client, name = open_registry(settings.workspace), settings.registry.name
    found = known_version(client, name, version)
    event = reject(client, name, version, who=_person(), why=why)
    _answer_form(found, event, approved=False)
    return _outcome("rejected", name, event)


def roll_back_champion(settings: Settings, why: str, who: str = "") -> dict[str, Any]:
    """Make the version champion again that the champion replaced.

    Raises `SettingsError` without a reason, or when there is no such version.
    """
    _insist_on_reason(why)
    client, name = open_registry(settings.workspace), settings.registry.name
    return _outcome("rolled back", name, roll_back(client, name, who=who or _person(), why=why))


def _insist_on_reason(why: str) -> None:
    if not why.strip():
        raise SettingsError(
            "The reason is empty; it is kept in the history.",
            cure='Say it in a few words: --why "Read fifty of its replies."',
        )


def _answer_form(version: Version, event: Event, *, approved: bool) -> None:
    if version.tags.get(WAITING) and os.environ.get("PREFECT_API_URL"):
        from flows.approval import answer_form  # takes seconds, which a way back has not

        answer_form(version.tags[WAITING], promote=approved, why=event.why, who=event.who)


def _person() -> str:
    return f"{getpass.getuser()}@{platform.node()}"


def _outcome(status: str, name: str, event: Event) -> dict[str, Any]:
    return {
        "schema": 1,
        "status": status,
        "name": name,
        "version": event.version,
        "before": event.before,
        "after": event.after,
        "who": event.who,
        "why": event.why,
    }
