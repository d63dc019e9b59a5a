"""Golden rules: what the golden cases have against a challenger.

Replies are greedy, so a case has no noise of its own; but which cases pass changes a little with every training. A critical
case must therefore pass, and the others count together.
"""

from collections.abc import Sequence

from tasks.core.judging.golden_cases import CaseResult
from tasks.core.judging.statistics import sign_test

MOST_NAMED = 5  # cases in a sentence


def golden_objections(
    challenger: Sequence[CaseResult], champion: Sequence[CaseResult], least: float, confidence: float
) -> list[str]:
    """Say what keeps a challenger out, as parts of a sentence: critical cases, too few that pass, fewer than the champion's.

    `least` is the smallest share that must pass; with 0, only critical cases count. Against the champion (empty where there is
    none) the cases are compared that only one of both passes: they must be the champion's more often than equals would come to.
    """
    critical = [one.id for one in challenger if one.critical and not one.passed]
    found = [f"the challenger fails critical golden cases: {_named(critical)}"] if critical else []
    passed = sum(one.passed for one in challenger)
    if challenger and passed / len(challenger) < least:
        found.append(
            f"the challenger passes {passed} of {len(challenger)} golden cases, which is below gate.min_golden ({least:g})"
        )
    lost = _only(champion, challenger)
    p_value = sign_test(len(_only(challenger, champion)), len(lost))
    worse = sum(one.passed for one in champion) > passed
    if least and champion and worse and p_value < 1 - confidence:
        found.append(
            f"the challenger fails golden cases that the champion passes: {_named(lost)} (p = {p_value:.3f})"
        )
    return found


def _only(ones: Sequence[CaseResult], others: Sequence[CaseResult]) -> list[str]:
    """Name the cases that some pass and others do not."""
    theirs = {one.id for one in others if one.passed}
    return [one.id for one in ones if one.passed and one.id not in theirs]


def _named(ids: Sequence[str]) -> str:
    rest = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return ", ".join(ids[:MOST_NAMED]) + rest
