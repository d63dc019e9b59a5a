"""The whole story: prepare → weigh → train → judge → publish."""

from typing import Any

from prefect import flow

from flows.environment import here
from flows.prepare_data import prepare_data
from flows.recorded_runs import begin, ended, judge_and_publish, run_name, settled, with_base
from flows.train_adapter import train_adapter
from flows.weigh_training import is_worth_training
from tasks.base_holding import held_by
from tasks.core.settings import Settings
from tasks.reporting import recorded


@flow(name="retrain", flow_run_name=run_name, persist_result=False)
def retrain(settings: Settings) -> dict[str, Any]:
    """Turn support logs into a judged, registered model, if that is worth it; give the run's public figures."""
    settings = settled(here(settings))
    with recorded(settings) as run:
        run.settings = go_through(settings)
    return ended(run.outcome)


def go_through(settings: Settings) -> Settings:
    """Go through the whole story, as far as it is worth it; give the settings with what was settled on the way."""
    begun = begin(settings)
    if is_worth_training(begun.data.examples, begun.source, settings, held_by(settings)):
        base, settings = with_base(begun, settings)
        trained = train_adapter(begun.data, base, settings)
        judge_and_publish(begun, trained, settings)
    return settings


@flow(name="check", flow_run_name=run_name, persist_result=False)
def check(settings: Settings) -> dict[str, Any]:
    """Run the data chapter only, up to checked examples, and report on their quality."""
    settings = here(settings)
    with recorded(settings) as run:
        prepare_data(settings)
    return ended(run.outcome)
