"""Gating: whether the challenger beats base and champion on the same held-out rows, beyond noise."""

import json
from typing import Any

from tasks.core.comparing.pairwise import comparison_objections
from tasks.core.judging.gate_rules import decide
from tasks.core.judging.general_text import GENERAL, GeneralGain, general_gain, general_objections
from tasks.core.judging.golden_cases import GOLDEN, CaseResult, read_results
from tasks.core.judging.golden_rules import golden_objections
from tasks.core.judging.scoring import SCORES, read_scores
from tasks.core.judging.slices import EARLIER_SCORES, SliceGain, slice_gains, slices_of
from tasks.core.judging.statistics import paired_gain
from tasks.core.receipts import (
    EARLIER,
    ComparedReplies,
    Decision,
    EarlierScores,
    Evaluation,
    GeneralText,
    MergedModel,
    TokenRows,
)
from tasks.core.report.wording import counted
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
    earlier: EarlierScores | None,
    no_earlier: str,
    general: GeneralText,
) -> Decision:
    """Compare row by row, on the whole, in every slice and on general text; the decision is about the version `rival` and no other.

    `unfit_rival` says why it could not be scored, `no_earlier` why there are no scores on `earlier` rows; `compared` is a
    judge's word, where the gate is to go by it.
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
    slices += _earlier_gain(draft, earlier, gate)
    prose = _general_gain(draft, challenger, base, general, gate)
    objections = general_objections(prose, gate.max_general_loss)
    objections += golden_objections(
        _golden(draft, challenger), _golden(draft, champion), gate.min_golden, gate.confidence
    )
    if compared:
        objections += comparison_objections(compared.counts, compared.rival, gate.confidence)
    verdict = decide(gains, gate.min_gain, gate.mode, unfit_rival, slices, objections)

    facts: dict[str, Any] = {
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "gains": verdict.gains,
        "slices": [one.to_json() for one in slices],
        "earlier": _earlier_words(earlier) if earlier else no_earlier,
        "general": prose.to_json() if prose else {},
    }
    (draft.folder / "decision.json").write_text(json.dumps(facts, indent=1))
    return draft.seal(Decision, **facts, rival=rival)


def _earlier_gain(draft: Draft, earlier: EarlierScores | None, gate: GateSettings) -> list[SliceGain]:
    """Compare challenger and champion on the rows that today's logs do not hold, as one slice more."""
    if earlier is None:
        return []
    ours, theirs = (
        read_scores(earlier.folder(draft.workspace) / EARLIER_SCORES[who])
        for who in ("challenger", "champion")
    )
    every = {EARLIER: frozenset(score.row_id for score in ours)}
    return slice_gains(ours, theirs, every, confidence=gate.confidence, most=gate.max_slice_loss)


def _earlier_words(earlier: EarlierScores) -> str:
    rows, requesters, gone = (earlier.counts[name] for name in ("rows", "requesters", "forgotten"))
    told = f"{counted(rows, 'row')} of {counted(requesters, 'requester')}"
    return told + (f", without {counted(gone, 'row')} of whoever is forgotten" if gone else "")


def _general_gain(
    draft: Draft, challenger: Evaluation, base: Evaluation, general: GeneralText, gate: GateSettings
) -> GeneralGain | None:
    ours, theirs = (read_scores(one.folder(draft.workspace) / GENERAL) for one in (challenger, base))
    languages = {one.id: one.language for one in general.passages}
    return general_gain(ours, theirs, languages, confidence=gate.confidence, most=gate.max_general_loss)


def _golden(draft: Draft, evaluation: Evaluation | None) -> list[CaseResult]:
    return read_results(evaluation.folder(draft.workspace) / GOLDEN) if evaluation else []
