"""Promotion and rollback as flows, for whoever does them on Prefect's pages."""

from typing import Any, cast

from prefect import flow
from prefect.states import Completed

from flows.environment import here
from flows.registry_moves import promote_version, roll_back_champion
from tasks.core.settings import RegistrySettings, Settings

SOMEBODY = "someone in Prefect"


@flow(name="promote", flow_run_name="promote version {version}", persist_result=False)
def promote(version: int, why: str, model: str, who: str = "") -> dict[str, Any]:
    """Make a version champion, whatever the gate said of it.

    Args:
        version: The version's number, as MLflow's page of the model has it.
        why: The reason; it is kept in the history.
        model: Name of the registered model.
        who: Your name, for the history.
    """
    done = promote_version(_of(model), version, why, who.strip() or SOMEBODY)
    return _ended(
        done, f"{done['name']} version {done['after']} is champion; before it was {_named(done['before'])}."
    )


@flow(name="rollback", flow_run_name="rollback", persist_result=False)
def rollback(why: str, model: str, who: str = "") -> dict[str, Any]:
    """Make the version champion again that the champion replaced.

    Args:
        why: The reason; it is kept in the history.
        model: Name of the registered model.
        who: Your name, for the history.
    """
    done = roll_back_champion(_of(model), why, who.strip() or SOMEBODY)
    return _ended(
        done,
        f"{done['name']} version {done['after']} is champion again; version {done['before']} is set aside.",
    )


def _of(model: str) -> Settings:
    """Give the settings of a model in the worker's workspace; nothing else matters to an alias."""
    return here(Settings(registry=RegistrySettings(name=model)))


def _named(version: int) -> str:
    return f"version {version}" if version else "none"


def _ended(done: dict[str, Any], message: str) -> dict[str, Any]:
    return cast("dict[str, Any]", Completed(message=message, data=done))
