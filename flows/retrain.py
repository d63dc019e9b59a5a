"""The whole story: prepare → weigh → train → judge → publish."""

from typing import Any

from prefect import flow

from flows.environment import here
from flows.judge_adapter import judge_adapter
from flows.prepare_data import prepare_data
from flows.publish_model import publish_model
from flows.recorded_runs import ended, run_name, settled
from flows.train_adapter import train_adapter
from flows.weigh_training import is_worth_training
from tasks.base_fetching import find_base
from tasks.core.settings import Settings
from tasks.golden_reading import read_golden
from tasks.harness_reading import read_harness
from tasks.reporting import recorded


@flow(name="retrain", flow_run_name=run_name, persist_result=False)
def retrain(settings: Settings) -> dict[str, Any]:
    """Turn support logs into a judged, registered model, if that is worth it; give the run's public figures."""
    settings = settled(here(settings))
    with recorded(settings) as run:
        source, golden = find_base(settings.model), read_golden(settings.evaluation.golden)
        harness = read_harness(settings.evaluation.harness)
        data = prepare_data(settings)
        if is_worth_training(data.examples, source, settings):
            trained = train_adapter(data, source, settings)
            judged = judge_adapter(data, trained, golden, harness, settings)
            publish_model(data, trained, judged, settings)
    return ended(run.outcome)


@flow(name="check", flow_run_name=run_name, persist_result=False)
def check(settings: Settings) -> dict[str, Any]:
    """Run the data chapter only, up to checked examples, and report on their quality."""
    settings = here(settings)
    with recorded(settings) as run:
        prepare_data(settings)
    return ended(run.outcome)
