"""The judging chapter: base, challenger and champion are scored on the same held-out rows, today."""

from dataclasses import dataclass
from typing import Literal

from flows.train_adapter import TrainedAdapter
from tasks.champion_fetching import fetch_champion, find_rival
from tasks.core.receipts import Adapter, ComparedReplies, Evaluation, GoldenCases, Rival, SuiteText
from tasks.core.settings import Settings
from tasks.evaluation import evaluate_model
from tasks.reply_comparison import compare_replies


@dataclass(frozen=True)
class JudgedAdapter:
    """The scores that the gate compares; a rival that is unfit has none."""

    base: Evaluation
    challenger: Evaluation
    champion: Evaluation | None
    rival: Rival | None
    compared: ComparedReplies | None

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Give all scores."""
        return tuple(one for one in (self.base, self.challenger, self.champion) if one)


def judge_adapter(
    trained: TrainedAdapter, suite: SuiteText, golden: GoldenCases, settings: Settings
) -> JudgedAdapter:
    """Score the challenger, its base, and the version that it must beat; each is asked the golden cases too."""
    model = settings.model.without_source()

    def score(who: Literal["base", "challenger", "champion"], adapter: Adapter | None) -> Evaluation:
        return evaluate_model(
            settings.workspace,
            who,
            trained.rows,
            trained.held,
            adapter,
            model,
            settings.evaluation,
            suite,
            golden,
        )

    base, challenger = score("base", None), score("challenger", trained.adapter)
    rival = find_rival(settings.workspace, settings.registry, trained.adapter, trained.rows)
    champion = None
    if rival and not rival.unfit:
        champion = score("champion", fetch_champion(settings.workspace, rival))
    return JudgedAdapter(base, challenger, champion, rival, _compare(challenger, champion or base, settings))


def _compare(challenger: Evaluation, rival: Evaluation, settings: Settings) -> ComparedReplies | None:
    if not settings.judge.url:
        return None
    return compare_replies(settings.workspace, challenger, rival, settings.judge)
