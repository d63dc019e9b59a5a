"""The whole story: prepare → weigh → train → judge → publish."""

from typing import Any, cast

from prefect import flow, runtime
from prefect.states import Completed

from flows.environment import here
from flows.judge_adapter import judge_adapter
from flows.prepare_data import prepare_data
from flows.publish_model import publish_model
from flows.train_adapter import train_adapter
from flows.weigh_training import is_worth_training
from tasks.base_fetching import find_base
from tasks.core.model.devices import settled_dtype
from tasks.core.report.tables import verdict
from tasks.core.settings import Settings
from tasks.golden_reading import read_golden
from tasks.harness_reading import read_harness
from tasks.journal import journal
from tasks.reporting import new_run_id, recorded


def _name() -> str:
    """Name a run in Prefect by what it makes and by the run's own name, which says when."""
    journal().run_id = new_run_id()
    settings: Settings = runtime.flow_run.parameters["settings"]
    what = settings.registry.name if runtime.flow_run.flow_name == "retrain" else "check"
    return f"{what} {journal().run_id}"


@flow(name="retrain", flow_run_name=_name, persist_result=False)
def retrain(settings: Settings) -> dict[str, Any]:
    """Turn support logs into a judged, registered model, if that is worth it; give the run's public figures."""
    settings = _settled(here(settings))
    with recorded(settings) as run:
        source, golden = find_base(settings.model), read_golden(settings.evaluation.golden)
        harness = read_harness(settings.evaluation.harness)
        data = prepare_data(settings)
        if is_worth_training(data.examples, source, settings):
            trained = train_adapter(data, source, settings)
            judged = judge_adapter(data, trained, golden, harness, settings)
            publish_model(data, trained, judged, settings)
    return _ended(run.outcome)


@flow(name="check", flow_run_name=_name, persist_result=False)
def check(settings: Settings) -> dict[str, Any]:
    """Run the data chapter only, up to checked examples, and report on their quality."""
    settings = here(settings)
    with recorded(settings) as run:
        prepare_data(settings)
    return _ended(run.outcome)


def _ended(outcome: dict[str, Any]) -> dict[str, Any]:
    """Give the figures as a state whose message is the verdict; to callers it is the figures."""
    message = verdict(outcome["status"], outcome["reason"])
    return cast("dict[str, Any]", Completed(message=message, data=outcome))


def _settled(settings: Settings) -> Settings:
    """Say which compute type `auto` means here: it is in the keys, so scores of unlike devices are never compared."""
    model = settings.model.model_copy(update={"dtype": settled_dtype(settings.model.dtype)})
    return settings.model_copy(update={"model": model})
