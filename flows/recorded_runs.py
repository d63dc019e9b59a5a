"""What the stories have in common: how a run is named, what its settings mean on this machine, how it begins and ends."""

from dataclasses import dataclass
from typing import Any, cast

from prefect import runtime
from prefect.states import Completed

from flows.judge_adapter import judge_adapter
from flows.prepare_data import PreparedData, prepare_data
from flows.publish_model import publish_model
from flows.train_adapter import TrainedAdapter
from tasks.base_fetching import fetch_base, find_base
from tasks.base_holding import settle_quantization
from tasks.core.model.devices import loaded_dtype, settled_dtype
from tasks.core.model.methods import FULL
from tasks.core.receipts import BaseModel, BaseSource, GoldenCases, HarnessTasks
from tasks.core.report.tables import verdict
from tasks.core.settings import Settings
from tasks.golden_reading import read_golden
from tasks.harness_reading import read_harness
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
    dtype = settled_dtype(settings.model.dtype)
    if settings.lora.method == FULL:  # which has no frozen weights
        dtype = loaded_dtype(dtype)
    model = settings.model.model_copy(update={"dtype": dtype})
    return settings.model_copy(update={"model": model})


@dataclass(frozen=True)
class Beginning:
    """What a story stands on before anything is trained."""

    source: BaseSource
    golden: GoldenCases
    harness: HarnessTasks
    data: PreparedData


def begin(settings: Settings) -> Beginning:
    """Read what the user has written, whose mistakes are told first, and prepare the data."""
    source, golden = find_base(settings.model), read_golden(settings.evaluation.golden)
    harness = read_harness(settings.evaluation.harness)
    return Beginning(source, golden, harness, prepare_data(settings))


def with_base(begun: Beginning, settings: Settings) -> tuple[BaseModel, Settings]:
    """Fetch the base, and say how it is held, where the settings leave that to the device: it is in the keys of what follows."""
    base = fetch_base(settings.workspace, begun.source)
    return base, settle_quantization(settings.workspace, base, settings)


def judge_and_publish(begun: Beginning, trained: TrainedAdapter, settings: Settings) -> None:
    """Judge what was trained, and let it go as far as the gate does."""
    judged = judge_adapter(begun.data, trained, begun.golden, begun.harness, settings)
    publish_model(begun.data, trained, judged, settings)


def ended(outcome: dict[str, Any]) -> dict[str, Any]:
    """Give the figures as a state whose message is the verdict; to callers it is the figures."""
    message = verdict(outcome["status"], outcome["reason"])
    return cast("dict[str, Any]", Completed(message=message, data=outcome))
