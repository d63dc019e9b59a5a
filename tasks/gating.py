"""Gating: whether the challenger beats base and champion on the same held-out rows, beyond noise."""

import json

from tasks.core.comparing.pairwise import comparison_objections
from tasks.core.judging.gate_rules import decide
from tasks.core.judging.golden_cases import GOLDEN, CaseResult, read_results
from tasks.core.judging.golden_rules import golden_objections
from tasks.core.judging.scoring import SCORES, read_scores
from tasks.core.judging.slices import slice_gains, slices_of
from tasks.core.judging.statistics import paired_gain
from tasks.core.receipts import ComparedReplies, Decision, Evaluation, MergedModel, TokenRows
from tasks.core.settings import GateSettings
from tasks.core.store.artifacts import Draft
from tasks.core.tokens.storing import HELD_OUT, load_token_rows
from tasks.lid import step


@step("gating", Decision, libraries=("numpy", "scipy"))
def judge_challenger(
    draft: Draft,
    challenger: Evaluation,
    base: Evaluation,
    champion: Evaluation | None,
    rows: TokenRows,
    merged: MergedModel,  # noqa: ARG001 - a challenger is judged once its merge is proven
    gate: GateSettings,
    rival: int,
    unfit_rival: str,
    compared: ComparedReplies | None,
) -> Decision:
    """Compare row by row, on the whole and in every slice; the decision is about the version `rival` and no other.

    `unfit_rival` says why it could not be scored; `compared` is a judge's word, where the gate is to go by it.
    """
    rivals = {"base": base} | ({"champion": champion} if champion else {})
    scores = {who: read_scores(rival.folder(draft.workspace) / SCORES) for who, rival in rivals.items()}
    ours = read_scores(challenger.folder(draft.workspace) / SCORES)
    held_out = load_token_rows(rows.folder(draft.workspace) / HELD_OUT)

    gains = {who: paired_gain(ours, theirs, gate.confidence) for who, theirs in scores.items()}
    slices = slice_gains(
        ours,
        scores.get("champion", scores["base"]),
        slices_of(held_out),
        confidence=gate.confidence,
        most=gate.max_slice_loss,
    )
    objections = golden_objections(
        _golden(draft, challenger), _golden(draft, champion), gate.min_golden, gate.confidence
    )
    if compared:
        objections += comparison_objections(compared.counts, compared.rival, gate.confidence)
    verdict = decide(gains, gate.min_gain, gate.mode, unfit_rival, slices, objections)

    told = [one.to_json() for one in slices]
    facts = {"outcome": verdict.outcome, "reason": verdict.reason, "gains": verdict.gains, "slices": told}
    (draft.folder / "decision.json").write_text(json.dumps(facts, indent=1))
    return draft.seal(
        Decision,
        outcome=verdict.outcome,
        reason=verdict.reason,
        gains=verdict.gains,
        slices=told,
        rival=rival,
    )


def _golden(draft: Draft, evaluation: Evaluation | None) -> list[CaseResult]:
    return read_results(evaluation.folder(draft.workspace) / GOLDEN) if evaluation else []
