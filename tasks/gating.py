"""Gating: whether the challenger beats base and champion on the same held-out rows, beyond noise."""

import json
from collections.abc import Mapping

from tasks.core.judging.gate_rules import decide
from tasks.core.judging.scoring import SCORES, RowScore, read_scores
from tasks.core.judging.statistics import Gain, paired_gain
from tasks.core.receipts import Decision, Evaluation, MergedModel
from tasks.core.settings import GateSettings
from tasks.core.store.artifacts import Draft
from tasks.lid import step


@step("gating", Decision, libraries=("numpy", "scipy"))
def judge_challenger(
    draft: Draft,
    challenger: Evaluation,
    base: Evaluation,
    champion: Evaluation | None,
    merged: MergedModel,  # noqa: ARG001 - a challenger is judged once its merge is proven
    gate: GateSettings,
    rival: int,
    unfit_rival: str,
) -> Decision:
    """Compare row by row; the decision is about the version `rival` and no other.

    `unfit_rival` says why it could not be scored.
    """
    rivals = {"base": base} | ({"champion": champion} if champion else {})
    scores = {who: read_scores(rival.folder(draft.workspace) / SCORES) for who, rival in rivals.items()}
    gains = _gains(read_scores(challenger.folder(draft.workspace) / SCORES), scores, gate)

    verdict = decide(gains, gate.min_gain, gate.mode, unfit_rival)

    (draft.folder / "decision.json").write_text(
        json.dumps({"outcome": verdict.outcome, "reason": verdict.reason, "gains": verdict.gains}, indent=1)
    )
    return draft.seal(
        Decision, outcome=verdict.outcome, reason=verdict.reason, gains=verdict.gains, rival=rival
    )


def _gains(
    challenger: list[RowScore], rivals: Mapping[str, list[RowScore]], gate: GateSettings
) -> dict[str, Gain]:
    return {who: paired_gain(challenger, scores, gate.confidence) for who, scores in rivals.items()}
