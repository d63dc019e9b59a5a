"""Earlier scoring: challenger and champion on the rows that today's logs do not hold any more."""

from tasks.core.judging.metrics import summarize
from tasks.core.judging.scoring import score_rows, write_scores
from tasks.core.judging.slices import EARLIER_SCORES
from tasks.core.model.as_trained import load_as_trained
from tasks.core.model.devices import release_memory
from tasks.core.model.loading import load_tokenizer
from tasks.core.receipts import Adapter, BaseModel, EarlierRows, EarlierScores, TokenRows
from tasks.core.settings import ModelSettings
from tasks.core.store.artifacts import Draft
from tasks.core.tokens.storing import HELD_OUT, TOKENIZER, load_token_rows
from tasks.lid import step


@step(
    "earlier_scoring",
    EarlierScores,
    libraries=("torch", "transformers", "peft", "bitsandbytes"),
    tags=("gpu",),
)
def score_earlier_rows(
    draft: Draft,
    earlier: EarlierRows,
    rows: TokenRows,
    base: BaseModel,
    challenger: Adapter,
    champion: Adapter,
    model: ModelSettings,
    batch_tokens: int,
) -> EarlierScores:
    """Score both on every earlier row, quantized as in training, one after the other; the tokenizer is that of `rows`.

    Where there are no such rows no model is loaded: a plan knows neither, and the step is one of every story with a champion.
    """
    place = draft.workspace
    asked = load_token_rows(earlier.folder(place) / HELD_OUT)
    pad_id = load_tokenizer(rows.folder(place) / TOKENIZER).pad_token_id

    metrics = {}
    for who, adapter in (("challenger", challenger), ("champion", champion)) if asked else ():
        judged = load_as_trained(base.folder(place), adapter.folder(place), model)
        scores = score_rows(judged, asked, batch_tokens, pad_id)
        metrics[who] = summarize(scores)
        write_scores(draft.folder / EARLIER_SCORES[who], scores)
        del judged
        release_memory()
    return draft.seal(EarlierScores, counts=earlier.counts, metrics=metrics)
