"""Looking back: what challenger and champion make of rows that the champion was judged by and today's logs do not hold."""

from dataclasses import dataclass

from flows.prepare_data import PreparedData
from flows.train_adapter import TrainedAdapter
from tasks.core.receipts import Adapter, EarlierScores, Rival
from tasks.core.registry.tracing import find_dataset
from tasks.core.settings import Settings
from tasks.core.store.tombstones import read_tombstones
from tasks.earlier_gathering import gather_earlier_rows
from tasks.earlier_scoring import score_earlier_rows

ABSENT = "not in this store"
NONE_LEFT = "none beside today's"


@dataclass(frozen=True)
class LookBack:
    """The scores on earlier rows, or why there are none; neither where nobody asked."""

    scores: EarlierScores | None = None
    why_not: str = ""


def look_back(
    data: PreparedData, trained: TrainedAdapter, champion: Adapter, rival: Rival, settings: Settings
) -> LookBack:
    """Score both on the rows of the champion's dataset that are new to today's, as far as the store still has them."""
    place, evaluation = settings.workspace, settings.evaluation
    if not evaluation.earlier_rows:
        return LookBack()
    if rival.token_rows_digest == trained.rows.digest:
        return LookBack(why_not=NONE_LEFT)
    known = find_dataset(place, rival.examples_digest, rival.token_rows_digest)
    if known is None:
        return LookBack(why_not=ABSENT)
    tombstones = read_tombstones(place)
    earlier = gather_earlier_rows(
        place, known, data.clean, data.formation, tombstones, evaluation.earlier_rows
    )
    scores = score_earlier_rows(
        place,
        earlier,
        trained.rows,
        trained.held,
        trained.adapter,
        champion,
        settings.model.without_source(),
        evaluation.batch_tokens,
    )
    if not earlier.counts["rows"]:
        return LookBack(why_not=ABSENT if earlier.counts["forgotten"] else NONE_LEFT)
    return LookBack(scores)
