"""The training chapter: examples become token rows, and an adapter is trained on the quantized base."""

from dataclasses import dataclass

from flows.prepare_data import PreparedData
from tasks.adapter_training import train_adapter as train
from tasks.base_fetching import fetch_base
from tasks.base_quantization import quantize_base
from tasks.core.receipts import Adapter, BaseModel, BaseSource, TokenRows
from tasks.core.settings import Settings
from tasks.token_gathering import gather_token_rows
from tasks.tokenization import tokenize_shard
from tasks.tracking import tracked_as


@dataclass(frozen=True)
class TrainingGround:
    """What every training of some data on a base begins with; `held` is the base as training holds it."""

    rows: TokenRows
    base: BaseModel
    held: BaseModel


@dataclass(frozen=True)
class TrainedAdapter:
    """An adapter with the base and the rows that it was trained on; `held` is the base as training holds it."""

    rows: TokenRows
    base: BaseModel
    held: BaseModel
    adapter: Adapter


def train_adapter(data: PreparedData, source: BaseSource, settings: Settings) -> TrainedAdapter:
    """Fetch the base, encode the examples with its tokenizer, and train."""
    ground = prepare_training(data, source, settings)
    with tracked_as(settings.registry):
        return train_on(ground, settings)


def prepare_training(data: PreparedData, source: BaseSource, settings: Settings) -> TrainingGround:
    """Fetch the base, and encode the examples with its tokenizer."""
    place, model = settings.workspace, settings.model
    base = fetch_base(place, source)
    rows = _tokenize(data, base, settings)
    held = (
        quantize_base(place, base, model.double_quant, model.dtype) if model.quantization == "nf4" else base
    )
    return TrainingGround(rows, base, held)


def train_on(ground: TrainingGround, settings: Settings) -> TrainedAdapter:
    """Train with these settings; whoever follows or looks at trainings is set by the context."""
    place, model = settings.workspace, settings.model.without_source()
    adapter = train(place, ground.rows, ground.held, model, settings.lora, settings.training)
    return TrainedAdapter(ground.rows, ground.base, ground.held, adapter)


def _tokenize(data: PreparedData, base: BaseModel, settings: Settings) -> TokenRows:
    place, template = settings.workspace, settings.format.template
    suite, on_failure = data.suites["token_rows"], settings.quality.on_failure
    shards = tuple(
        tokenize_shard(place, examples, base, settings.tokens, template, suite, on_failure)
        for examples in data.examples.shards
    )
    return gather_token_rows(place, shards, base, template)
