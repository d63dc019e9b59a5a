"""Gathering: what a run's receipts and artifacts say, as the parts of its summary."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from tasks.core.receipts import Evaluation, Examples, Receipt, TokenRows, ValidExamples
from tasks.core.store.ledger import add_counts
from tasks.core.store.rows import LEDGER, read_rows

R = TypeVar("R", bound=Receipt)
Receipts = Sequence[Receipt]
NOT_ROWS = ("tokens", "reply_tokens")


def first_of(receipts: Receipts, kind: type[R]) -> R | None:
    """Give the first receipt of a kind, if the run came so far."""
    return next((one for one in receipts if type(one) is kind), None)


def count_rows(receipts: Receipts) -> dict[str, int]:
    """Count rows at the last step that all of them have passed; shards that go separate ways are added up."""
    for kind in (TokenRows, ValidExamples, Examples):
        found = first_of(receipts, kind)
        if found:
            return {name: count for name, count in found.counts.items() if name not in NOT_ROWS}
    data = [one for one in receipts if "in" in one.counts]
    last = [one for one in data if type(one) is type(data[-1])] if data else []
    return add_counts(one.counts for one in last) if last else {}


def count_reasons(receipts: Receipts, workspace: Path) -> dict[str, int]:
    """Count the rows that were not kept by fate and rule."""
    rules: Counter[str] = Counter()
    for path in _files(receipts, workspace, LEDGER):
        rules.update(f"{entry['fate']}: {entry['rule']}".replace("_", " ") for entry in read_rows(path))
    return dict(rules.most_common())


def gather_quality(receipts: Receipts, workspace: Path) -> list[dict[str, Any]]:
    """Give what the expectations said, door by door; the parts of one door are numbered."""
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


def gather_replies(receipts: Receipts, workspace: Path) -> list[dict[str, str]]:
    """Give the replies before and after training side by side; private."""
    sides = {one.who: one for one in receipts if isinstance(one, Evaluation)}
    if not {"base", "challenger"} <= set(sides):
        return []
    base, tuned = (
        read_rows(sides[who].folder(workspace) / "replies.jsonl") for who in ("base", "challenger")
    )
    return [
        {
            "question": before["question"],
            "reference": before["reference"],
            "base": before["reply"],
            "challenger": after["reply"],
        }
        for before, after in zip(base, tuned, strict=True)
    ]


def gather_samples(receipts: Receipts, workspace: Path) -> list[dict[str, Any]]:
    """Give training rows decoded from their very tokens; private."""
    rows = first_of(receipts, TokenRows)
    return read_rows(rows.folder(workspace) / "samples.jsonl") if rows else []


def _files(receipts: Receipts, workspace: Path, name: str) -> list[Path]:
    """Give the files of a name in the run's artifacts, each once, in the order in which they came."""
    folders = dict.fromkeys(one.folder(workspace) for one in receipts)
    return [folder / name for folder in folders if (folder / name).exists()]
