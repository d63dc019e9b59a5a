"""The whole story: prepare → train → judge → publish."""

from typing import Any

from prefect import flow

from flows.judge_adapter import judge_adapter
from flows.prepare_data import prepare_data
from flows.publish_model import publish_model
from flows.train_adapter import train_adapter
from tasks.base_fetching import find_base
from tasks.core.settings import Settings
from tasks.reporting import recorded


@flow(name="retrain", persist_result=False)
def retrain(settings: Settings) -> dict[str, Any]:
    """Turn support logs into a judged, registered model; give the run's public figures."""
    with recorded(settings) as run:
        source = find_base(settings.model)
        data = prepare_data(settings)
        trained = train_adapter(data.examples, source, settings)
        judged = judge_adapter(trained, settings)
        publish_model(data, trained, judged, settings)
    return run.outcome


@flow(name="check", persist_result=False)
def check(settings: Settings) -> dict[str, Any]:
    """Run the data chapter only, up to checked examples, and report on their quality."""
    with recorded(settings) as run:
        prepare_data(settings)
    return run.outcome
