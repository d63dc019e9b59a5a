"""The judging chapter: base, challenger and champion are scored on the same held-out rows, today."""

from dataclasses import dataclass
from typing import Literal

from flows.earlier_rows import LookBack, look_back
from flows.prepare_data import PreparedData
from flows.train_adapter import TrainedAdapter
from tasks.champion_fetching import fetch_champion, find_rival
from tasks.core.judging.general_text import read_passages
from tasks.core.receipts import (
    Adapter,
    ComparedReplies,
    Evaluation,
    GeneralText,
    GoldenCases,
    HarnessTasks,
    Rival,
)
from tasks.core.settings import Settings
from tasks.evaluation import evaluate_model
from tasks.harness_evaluation import ask_harness
from tasks.reply_comparison import compare_replies


@dataclass(frozen=True)
class JudgedAdapter:
    """The scores that the gate compares; a rival that is unfit has none."""

    base: Evaluation
    challenger: Evaluation
    champion: Evaluation | None
    rival: Rival | None
    earlier: LookBack
    general: GeneralText
    compared: ComparedReplies | None

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Give all scores."""
        return tuple(one for one in (self.base, self.challenger, self.champion) if one)


def judge_adapter(
    data: PreparedData,
    trained: TrainedAdapter,
    golden: GoldenCases,
    harness: HarnessTasks,
    settings: Settings,
) -> JudgedAdapter:
    """Score the challenger, its base, and the version that it must beat; each is asked the golden cases too.

    Base and challenger are asked the tasks of lm-eval beside that, where there are any.
    """
    model, general = settings.model.without_source(), read_passages()

    def score(who: Literal["base", "challenger", "champion"], adapter: Adapter | None) -> Evaluation:
        return evaluate_model(
            settings.workspace,
            who,
            trained.rows,
            trained.held,
            adapter,
            model,
            settings.evaluation,
            data.suites["predictions"],
            golden,
            general,
        )

    base, challenger = score("base", None), score("challenger", trained.adapter)
    rival = find_rival(settings.workspace, settings.registry, trained.adapter, trained.rows)
    champion, earlier = None, LookBack()
    if rival and not rival.unfit:
        theirs = fetch_champion(settings.workspace, rival)
        champion = score("champion", theirs)
        earlier = look_back(data, trained, theirs, rival, settings)
    _ask(harness, trained, settings)
    compared = _compare(challenger, champion or base, settings)
    return JudgedAdapter(base, challenger, champion, rival, earlier, general, compared)


def _ask(harness: HarnessTasks, trained: TrainedAdapter, settings: Settings) -> None:
    """Ask base and challenger the tasks of lm-eval; the report tells the figures, the gate does not go by them."""
    model, limit = settings.model.without_source(), settings.evaluation.harness_limit
    sides: tuple[tuple[Literal["base", "challenger"], Adapter | None], ...] = (
        ("base", None),
        ("challenger", trained.adapter),
    )
    for who, adapter in sides if harness.tasks else ():
        ask_harness(settings.workspace, who, trained.rows, trained.held, adapter, model, harness, limit)


def _compare(challenger: Evaluation, rival: Evaluation, settings: Settings) -> ComparedReplies | None:
    if not settings.judge.url:
        return None
    return compare_replies(settings.workspace, challenger, rival, settings.judge)
