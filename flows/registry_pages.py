"""Promotion and rollback as flows, for whoever does them on Prefect's pages."""

from typing import Any, cast

from prefect import flow
from prefect.states import Completed
from pydantic import Field

from flows.environment import here
from flows.registry_moves import promote_version, roll_back_champion
from tasks.core.settings import Settings

Why = Field(description="The reason; it is kept in the history.")
Who = Field(default="", description="Your name, for the history.")
SOMEBODY = "someone in Prefect"


@flow(name="promote", flow_run_name="promote version {version}", persist_result=False)
def promote(settings: Settings, version: int, why: str = Why, who: str = Who) -> dict[str, Any]:
    """Make a version champion, whatever the gate said of it."""
    done = promote_version(here(settings), version, why, who.strip() or SOMEBODY)
    return _ended(
        done, f"{done['name']} version {done['after']} is champion; before it was {_named(done['before'])}."
    )


@flow(name="rollback", flow_run_name="rollback", persist_result=False)
def rollback(settings: Settings, why: str = Why, who: str = Who) -> dict[str, Any]:
    """Make the version champion again that the champion replaced."""
    done = roll_back_champion(here(settings), why, who.strip() or SOMEBODY)
    return _ended(
        done,
        f"{done['name']} version {done['after']} is champion again; version {done['before']} is set aside.",
    )


def _named(version: int) -> str:
    return f"version {version}" if version else "none"


def _ended(done: dict[str, Any], message: str) -> dict[str, Any]:
    return cast("dict[str, Any]", Completed(message=message, data=done))
