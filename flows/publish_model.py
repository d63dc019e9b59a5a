"""The publishing chapter: merge with proof, ask the gate, register, move the alias."""

from flows.approval import ask_person
from flows.judge_adapter import JudgedAdapter
from flows.prepare_data import PreparedData
from flows.train_adapter import TrainedAdapter
from tasks.core.receipts import Promotion
from tasks.core.settings import Settings
from tasks.gating import judge_challenger
from tasks.merging import merge_adapter
from tasks.promotion import promote_model
from tasks.registration import register_model


def publish_model(
    data: PreparedData, trained: TrainedAdapter, judged: JudgedAdapter, settings: Settings
) -> Promotion:
    """Merge and judge what was trained, register it with the verdict in its card, and promote it if the gate says so."""
    place, evaluation = settings.workspace, settings.evaluation
    merged = merge_adapter(
        place,
        trained.adapter,
        trained.base,
        trained.held,
        trained.rows,
        settings.model.without_source(),
        evaluation.merge_rows,
        evaluation.max_merge_difference,
        evaluation.min_merge_match,
    )
    rival = judged.rival
    decision = judge_challenger(
        place,
        judged.challenger,
        judged.base,
        judged.champion,
        trained.rows,
        merged,
        settings.gate,
        rival.version if rival else 0,
        rival.unfit if rival else "",
        judged.compared if settings.gate.judge else None,
        judged.earlier.scores,
        judged.earlier.why_not,
        judged.general,
    )
    registered = register_model(
        place,
        data.logs,
        data.examples,
        trained.rows,
        trained.base,
        trained.adapter,
        trained.start,
        merged,
        judged.evaluations,
        decision,
        settings.registry,
        redacted=settings.cleaning.redact,
    )
    answer = ask_person(registered, decision, settings) if decision.outcome == "ask" else None
    return promote_model(place, registered, decision, answer)
