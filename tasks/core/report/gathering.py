"""Gathering: what a run's receipts and artifacts say, as the parts of its summary."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from tasks.core import privacy
from tasks.core.fitting.plan import METRICS
from tasks.core.judging.golden_cases import GOLDEN, CaseResult, read_results
from tasks.core.receipts import (
    Adapter,
    ChosenRows,
    ChosenTrial,
    ComparedReplies,
    Evaluation,
    HarnessScores,
    RawLogs,
    Receipt,
    Threads,
    TokenRows,
    Worth,
)
from tasks.core.store.ledger import add_counts
from tasks.core.store.quarantine import read_columns
from tasks.core.store.rows import read_rows
from tasks.core.tokens.storing import LENGTHS, SAMPLES

R = TypeVar("R", bound=Receipt)
SCORES = Path(privacy.__file__).with_name("redaction_scores.json")
Receipts = Sequence[Receipt]
PARTS = ("train", "held_out")  # of the rows that were kept
COUNTED = ("cpu", "gpu")  # whose energy the trainer counts, where it can


def first_of(receipts: Receipts, kind: type[R]) -> R | None:
    """Give the first receipt of a kind, if the run came so far."""
    return next((one for one in receipts if type(one) is kind), None)


def count_rows(receipts: Receipts) -> dict[str, int]:
    """Count rows at the last step that all of them have passed; shards that go separate ways are added up."""
    data = [one for one in receipts if "in" in one.counts]
    last = [one for one in data if type(one) is type(data[-1])] if data else []
    if not last:
        return {}
    counts = add_counts(one.counts for one in last)
    parts = {part: sum(one.counts[part] for one in last) for part in PARTS if part in last[0].counts}
    return counts | parts


def count_reasons(table: Path) -> dict[str, int]:
    """Count a run's rejected rows by fate and rule; an expectation is what was not met: `quarantined: not met: …`."""
    columns = read_columns(table, ("fate", "rule", "expectation"))
    rules = Counter(
        f"{fate}: {'not met: ' if expectation else ''}{rule}".replace("_", " ")
        for fate, rule, expectation in zip(*columns, strict=True)
    )
    return dict(rules.most_common())


def count_left_out(receipts: Receipts) -> int:
    """Count the turns of conversations that are of neither side, such as system messages and internal notes."""
    raw = [part for one in receipts for part in (one.parts if isinstance(one, Threads) else (one,))]
    return sum(one.counts.get("left_out", 0) for one in raw if isinstance(one, RawLogs))


def gather_changes(receipts: Receipts, workspace: Path) -> dict[str, int]:
    """Count the rows that each craft of the cleaning changed, and the personal data that it found by kind."""
    found = [json.loads(path.read_bytes()) for path in _files(receipts, workspace, "changes.json")]
    return dict(sum((Counter(one) for one in found), Counter[str]()).most_common())


def gather_lengths(receipts: Receipts, workspace: Path) -> dict[str, Any]:
    """Give the histogram of the examples' lengths, if the run came so far."""
    rows = first_of(receipts, TokenRows)
    return dict(json.loads((rows.folder(workspace) / LENGTHS).read_bytes())) if rows else {}


def gather_worth(receipts: Receipts) -> dict[str, Any]:
    """Give why it was worth a training, or was not, with what is new; nothing where the settings did not ask."""
    worth = first_of(receipts, Worth)
    return worth.model_dump(include={"train", "reason", "drift"}) | worth.counts if worth else {}


def gather_start(receipts: Receipts) -> dict[str, Any]:
    """Give from which version the training went on, and on what; nothing where it began from the base."""
    chosen = first_of(receipts, ChosenRows)
    return {"version": chosen.version, **chosen.counts} if chosen and not chosen.unfit else {}


def gather_sweep(receipts: Receipts) -> dict[str, Any]:
    """Give what came of every trial of a sweep, and which was chosen; nothing where none was tried."""
    chosen = first_of(receipts, ChosenTrial)
    if chosen is None:
        return {}
    return {**chosen.model_dump(mode="json", include={"reason", "number"}), **chosen.counts} | {
        "trials": [one.model_dump(mode="json") for one in chosen.trials]
    }


def gather_training(receipts: Receipts, workspace: Path) -> dict[str, Any]:
    """Give the trainer's facts with the tokens that it saw and the time that its steps took, in seconds.

    `joules` are of `cpu` and `gpu`, each where its counter could be read in every step.
    """
    adapter = first_of(receipts, Adapter)
    if adapter is None:
        return {}
    steps = read_rows(adapter.folder(workspace) / METRICS)
    joules = {
        kind: sum(one[f"{kind}_joules"] for one in steps)
        for kind in COUNTED
        if all(f"{kind}_joules" in one for one in steps)
    }
    sums = {name: sum(one[name] for one in steps) for name in ("tokens", "seconds")}
    return {**adapter.training, **sums, **({"joules": joules} if joules else {})}


def gather_quality(receipts: Receipts, workspace: Path) -> list[dict[str, Any]]:
    """Give what the expectations said, door by door; the parts of one door are numbered.

    `validation` is Great Expectations' own result, for its Data Docs.
    """
    found = [json.loads(path.read_bytes()) for path in _files(receipts, workspace, "quality.json")]
    totals = Counter(door["suite"] for door in found)
    seen: Counter[str] = Counter()
    doors = []
    for door in found:
        suite = door["suite"]
        seen[suite] += 1
        part = f"part {seen[suite]} of {totals[suite]}" if totals[suite] > 1 else ""
        doors.append({**door, "part": part})
    return doors


def without_validation(doors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give doors as a run's figures hold them."""
    return [{name: value for name, value in door.items() if name != "validation"} for door in doors]


def gather_replies(receipts: Receipts, workspace: Path, most: int) -> list[dict[str, str]]:
    """Give at most `most` replies of every model side by side, in the order in which they were judged; private."""
    sides = {one.who: one for one in receipts if isinstance(one, Evaluation)}
    if not {"base", "challenger"} <= set(sides):
        return []
    found = {who: read_rows(one.folder(workspace) / "replies.jsonl") for who, one in sides.items()}
    asked = list(zip(*found.values(), strict=True))[:most]
    return [
        {
            "question": said[0]["question"],
            "reference": said[0]["reference"],
            **{who: _shown(one["reply"], one["stopped"]) for who, one in zip(found, said, strict=True)},
        }
        for said in asked
    ]


def _shown(reply: str, stopped: bool) -> str:
    """Give a reply as people see it: one that was cut at so many tokens says so."""
    return reply if stopped else f"{reply} …"


def gather_comparison(receipts: Receipts) -> dict[str, Any]:
    """Give what a judge said of the replies, if one was asked."""
    compared = first_of(receipts, ComparedReplies)
    if compared is None:
        return {}
    return {"rival": compared.rival, "judge": compared.judge, "p_value": compared.p_value, **compared.counts}


def gather_harness(receipts: Receipts) -> dict[str, dict[str, float]]:
    """Give the figures of tasks of lm-eval, by model; nothing where none were asked."""
    return {one.who: one.metrics for one in receipts if isinstance(one, HarnessScores)}


def gather_golden(receipts: Receipts, workspace: Path) -> list[dict[str, Any]]:
    """Give every golden case with the names of the assertions that each model failed; no text."""
    return [
        {
            "case": results[0].id,
            "critical": results[0].critical,
            "failed": {who: list(one.failed) for who, one in zip(sides, results, strict=True)},
        }
        for sides, results in _cases(receipts, workspace)
    ]


def gather_golden_replies(receipts: Receipts, workspace: Path) -> list[dict[str, Any]]:
    """Give every golden case with what each model replied, and what of it failed; private."""
    return [
        {
            "case": results[0].id,
            "question": results[0].question,
            "reply": {who: _shown(one.reply, one.stopped) for who, one in zip(sides, results, strict=True)},
            "failed": {who: one.failed for who, one in zip(sides, results, strict=True)},
        }
        for sides, results in _cases(receipts, workspace)
    ]


def _cases(receipts: Receipts, workspace: Path) -> list[tuple[list[str], tuple[CaseResult, ...]]]:
    """Give, for every golden case, the models that were asked and their results, in the order in which they were judged."""
    judged = {one.who: one for one in receipts if isinstance(one, Evaluation)}
    sides: list[str] = list(judged)
    results = [read_results(one.folder(workspace) / GOLDEN) for one in judged.values()]
    return [(sides, case) for case in zip(*results, strict=True)]


def gather_samples(receipts: Receipts, workspace: Path) -> list[dict[str, Any]]:
    """Give training rows decoded from their very tokens; private."""
    rows = first_of(receipts, TokenRows)
    return read_rows(rows.folder(workspace) / SAMPLES) if rows else []


def read_scores() -> dict[str, Any]:
    """Give how well personal data is found, as measured on the labelled fixture."""
    return dict(json.loads(SCORES.read_bytes()))


def _files(receipts: Receipts, workspace: Path, name: str) -> list[Path]:
    """Give the files of a name in the run's artifacts, each once, in the order in which they came."""
    folders = dict.fromkeys(one.folder(workspace) for one in receipts)
    return [folder / name for folder in folders if (folder / name).exists()]
