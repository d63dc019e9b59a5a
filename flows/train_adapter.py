"""The training chapter: examples become token rows, and an adapter is trained on the quantized base."""

from dataclasses import dataclass

from flows.prepare_data import PreparedData
from tasks.adapter_training import train_adapter as train
from tasks.base_quantization import quantize_base
from tasks.core.model.devices import loaded_dtype
from tasks.core.receipts import Adapter, BaseModel, TokenRows, WarmStart
from tasks.core.registry.ancestry import from_base_words
from tasks.core.settings import Settings
from tasks.core.store.digests import digest_value
from tasks.journal import journal
from tasks.parent_finding import find_parent
from tasks.row_choice import choose_rows
from tasks.token_gathering import gather_token_rows
from tasks.tokenization import tokenize_shard
from tasks.tracking import tracked_as


@dataclass(frozen=True)
class TrainingGround:
    """What every training of some data on a base begins with; `held` is the base as training holds it.

    With a `start`, it goes on with an adapter that was trained before.
    """

    rows: TokenRows
    base: BaseModel
    held: BaseModel
    start: WarmStart | None

    @property
    def key(self) -> str:
        """Tell the rows and the beginning of a training from every other."""
        return digest_value([self.rows.digest, self.start.in_key()]) if self.start else self.rows.digest


@dataclass(frozen=True)
class TrainedAdapter:
    """An adapter with the base, the rows and the `start` that it was trained on; `held` is the base as training holds it."""

    rows: TokenRows
    base: BaseModel
    held: BaseModel
    start: WarmStart | None
    adapter: Adapter


def train_adapter(data: PreparedData, base: BaseModel, settings: Settings) -> TrainedAdapter:
    """Encode the examples with the base's tokenizer, and train."""
    ground = prepare_training(data, base, settings)
    with tracked_as(settings.registry):
        return train_on(ground, settings)


def prepare_training(data: PreparedData, base: BaseModel, settings: Settings) -> TrainingGround:
    """Encode the examples with the base's tokenizer, and find out what the training goes on from."""
    place, model = settings.workspace, settings.model
    rows = _tokenize(data, base, settings)
    held = base
    if model.quantization == "nf4":
        held = quantize_base(place, base, model.double_quant, loaded_dtype(model.dtype))
    return TrainingGround(rows, base, held, _start(data, rows, held, settings))


def train_on(ground: TrainingGround, settings: Settings) -> TrainedAdapter:
    """Train with these settings; whoever follows or looks at trainings is set by the context."""
    place, model = settings.workspace, settings.model.without_source()
    adapter = train(place, ground.rows, ground.held, model, settings.lora, settings.training, ground.start)
    return TrainedAdapter(ground.rows, ground.base, ground.held, ground.start, adapter)


def _start(data: PreparedData, rows: TokenRows, held: BaseModel, settings: Settings) -> WarmStart | None:
    """Find the adapter that the settings let a training go on with; where none is fit, the run says why it begins anew."""
    place, training = settings.workspace, settings.training
    if training.start == "base":
        return None
    model = settings.model.without_source()
    parent = find_parent(place, data.examples, rows, held, model, settings.lora, settings.registry)
    if parent.adapter is None:
        told = journal().notes if parent.as_before else journal().warnings
        told.append(from_base_words(parent.unfit))
        return None
    chosen = choose_rows(place, rows, parent, training.replay, training.validation, training.seed)
    if chosen.unfit:
        journal().warnings.append(from_base_words(chosen.unfit))
        return None
    journal().notes.append(chosen.reason)
    return WarmStart(parent=parent.adapter, rows=chosen)


def _tokenize(data: PreparedData, base: BaseModel, settings: Settings) -> TokenRows:
    place, template = settings.workspace, settings.format.template
    suite, on_failure = data.suites["token_rows"], settings.quality.on_failure
    shards = tuple(
        tokenize_shard(place, examples, base, settings.tokens, template, suite, on_failure)
        for examples in data.examples.shards
    )
    return gather_token_rows(place, shards, base, template)
