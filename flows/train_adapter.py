"""The training chapter: examples become token rows, and an adapter is trained on the quantized base."""

from dataclasses import dataclass

from tasks.adapter_training import train_adapter as train
from tasks.base_fetching import fetch_base
from tasks.core.receipts import Adapter, BaseModel, BaseSource, TokenRows, ValidExamples
from tasks.core.settings import Settings
from tasks.tokenization import tokenize_examples


@dataclass(frozen=True)
class TrainedAdapter:
    """An adapter with the base and the rows that it was trained on."""

    rows: TokenRows
    base: BaseModel
    adapter: Adapter


def train_adapter(examples: ValidExamples, source: BaseSource, settings: Settings) -> TrainedAdapter:
    """Fetch the base, encode the examples with its tokenizer, and train."""
    place, model = settings.workspace, settings.model.without_source()
    base = fetch_base(place, source)
    rows = tokenize_examples(place, examples, base, settings.tokens, settings.format.template)
    adapter = train(place, rows, base, model, settings.lora, settings.training)
    return TrainedAdapter(rows, base, adapter)
