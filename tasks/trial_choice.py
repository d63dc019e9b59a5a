"""Trial choice: the best trial of a sweep, with all that it was chosen from."""

import json
from collections import Counter
from collections.abc import Sequence

from tasks.core.errors import ModelError
from tasks.core.receipts import ChosenTrial, TokenRows, Trial
from tasks.core.store.artifacts import Draft
from tasks.core.sweeping.space import words_of
from tasks.lid import step

STATES = ("complete", "pruned", "failed")


@step("trial_choice", ChosenTrial)
def choose_trial(draft: Draft, rows: TokenRows, trials: tuple[Trial, ...]) -> ChosenTrial:
    """Choose the trial with the lowest loss on the watched rows, the first of equals.

    Raises `ModelError` when no trial is complete.
    """
    best = best_of(trials)
    counts = {"trials": len(trials), **_count(trials)}
    reason = _reason(best, counts)
    facts = {"reason": reason, "rows": rows.digest, "trials": [one.model_dump(mode="json") for one in trials]}
    (draft.folder / "trials.json").write_text(json.dumps(facts, indent=1))
    return draft.seal(ChosenTrial, counts=counts, reason=reason, number=best.number, trials=trials)


def best_of(trials: Sequence[Trial]) -> Trial:
    """Give the complete trial with the lowest loss, the first of equals. Raises `ModelError` when none is complete."""
    complete = [
        (one.loss, one.number, one) for one in trials if one.loss is not None and one.state == "complete"
    ]
    if not complete:
        problem = next((one.problem for one in trials if one.problem), "")
        raise ModelError(
            f"None of {len(trials)} trials could be trained. {problem}".rstrip(),
            cure="Set other choices in the section sweep, such as lower ranks or rates.",
        )
    return min(complete)[2]


def _count(trials: Sequence[Trial]) -> dict[str, int]:
    states = Counter[str](one.state for one in trials)
    return {state: states[state] for state in STATES}


def _reason(best: Trial, counts: dict[str, int]) -> str:
    told = ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])
    return (
        f"Trial {best.number} is the best of {counts['trials']:,} ({told}): {words_of(best.point)}, with a loss of "
        f"{best.loss:.3f} nats per token on the watched rows."
    )
