"""Reply comparison: a language model elsewhere says whose replies are better, the challenger's or the rival's."""

import json
import os
from pathlib import Path

from tasks.core.comparing.judge_endpoint import KEY, judge_at
from tasks.core.comparing.pairwise import OUTCOMES, Outcome, judge_pair, pairs_of, tally
from tasks.core.judging.statistics import sign_test
from tasks.core.progress import tell_progress
from tasks.core.receipts import ComparedReplies, Evaluation
from tasks.core.settings import JudgeSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.rows import read_rows, write_rows
from tasks.core.store.syncing import write_whole
from tasks.lid import step

NAME = "reply_comparison"
KNOWN = "known.json"


@step(NAME, ComparedReplies, libraries=("scipy",), retries=3)
def compare_replies(
    draft: Draft, challenger: Evaluation, rival: Evaluation, judge: JudgeSettings
) -> ComparedReplies:
    """Ask about every pair, in both orders; what was judged before the judge went away is not asked again."""
    ours, theirs = (read_rows(one.folder(draft.workspace) / "replies.jsonl") for one in (challenger, rival))
    pairs = pairs_of(ours, theirs, judge.pairs)
    known = _known(draft.work / KNOWN)

    with judge_at(judge.url, judge.model, judge.timeout_seconds, os.environ.get(KEY, "")) as ask:
        for number, pair in enumerate(pairs, 1):
            if pair.row_id not in known:
                known[pair.row_id] = judge_pair(pair, ask)
                write_whole(draft.work / KNOWN, json.dumps(known))
            tell_progress(number, len(pairs), "pairs judged")

    outcomes = [{"row_id": pair.row_id, "outcome": known[pair.row_id]} for pair in pairs]
    write_rows(draft.folder / "outcomes.jsonl", outcomes)
    counts = tally(known[pair.row_id] for pair in pairs)
    return draft.seal(
        ComparedReplies,
        counts=counts,
        rival=rival.who,
        judge=judge.model,
        p_value=sign_test(counts["wins"], counts["losses"]),
    )


def _known(path: Path) -> dict[str, Outcome]:
    """Give the outcomes of an earlier start, by row."""
    kept = json.loads(path.read_bytes()) if path.exists() else {}
    return {row: outcome for row, outcome in kept.items() if outcome in OUTCOMES}
