"""The judging chapter: base, challenger and champion are scored on the same held-out rows, today."""

from dataclasses import dataclass
from typing import Literal

from flows.train_adapter import TrainedAdapter
from tasks.champion_fetching import fetch_champion, find_rival
from tasks.core.receipts import Adapter, Evaluation
from tasks.core.settings import Settings
from tasks.evaluation import evaluate_model


@dataclass(frozen=True)
class JudgedAdapter:
    """The scores that the gate compares; `unfit_champion` says why a champion could not be scored."""

    base: Evaluation
    challenger: Evaluation
    champion: Evaluation | None
    unfit_champion: str

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Give all scores."""
        return tuple(one for one in (self.base, self.challenger, self.champion) if one)


def judge_adapter(trained: TrainedAdapter, settings: Settings) -> JudgedAdapter:
    """Score the challenger, its base, and the version that it must beat."""
    model = settings.model.without_source()

    def score(who: Literal["base", "challenger", "champion"], adapter: Adapter | None) -> Evaluation:
        return evaluate_model(
            settings.workspace,
            who,
            trained.rows,
            trained.base,
            adapter,
            model,
            settings.evaluation,
        )

    base, challenger = score("base", None), score("challenger", trained.adapter)
    rival = find_rival(settings.workspace, settings.registry, trained.adapter)
    if rival is None:
        return JudgedAdapter(base, challenger, None, "")
    if rival.base_digest != trained.base.digest:
        unfit = (
            f"The champion, version {rival.version}, stands on another base, so the two cannot be compared row by row "
            "in this run; a person decides."
        )
        return JudgedAdapter(base, challenger, None, unfit)
    champion = fetch_champion(settings.workspace, rival)
    return JudgedAdapter(base, challenger, score("champion", champion), "")
