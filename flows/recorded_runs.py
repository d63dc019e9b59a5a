"""What the stories have in common: how a run is named, what its settings mean on this machine, and how it ends."""

from typing import Any, cast

from prefect import runtime
from prefect.states import Completed

from tasks.core.model.devices import settled_dtype
from tasks.core.report.tables import verdict
from tasks.core.settings import Settings
from tasks.journal import journal
from tasks.reporting import new_run_id


def run_name() -> str:
    """Name a run in Prefect by what it makes and by the run's own name, which says when."""
    journal().run_id = new_run_id()
    settings: Settings = runtime.flow_run.parameters["settings"]
    model = settings.registry.name
    what = {"retrain": model, "sweep": f"sweep of {model}"}.get(runtime.flow_run.flow_name, "check")
    return f"{what} {journal().run_id}"


def settled(settings: Settings) -> Settings:
    """Say which compute type `auto` means here: it is in the keys, so scores of unlike devices are never compared."""
    model = settings.model.model_copy(update={"dtype": settled_dtype(settings.model.dtype)})
    return settings.model_copy(update={"model": model})


def ended(outcome: dict[str, Any]) -> dict[str, Any]:
    """Give the figures as a state whose message is the verdict; to callers it is the figures."""
    message = verdict(outcome["status"], outcome["reason"])
    return cast("dict[str, Any]", Completed(message=message, data=outcome))
