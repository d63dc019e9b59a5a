"""Receipts for people: a sentence and a table of counts before the JSON, and one table of all that a run made."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.receipts import Receipt
from tasks.core.report.wording import counted, spoken

ROWS = ("in", "kept", "quarantined", "filtered", "duplicates", "over_length")
DIGEST = 12  # characters of a digest that tell two apart for the eye


def title_of(step: str, part: str) -> str:
    """Name a step with the part of the data that it works on: `raw validation: 2026-07.jsonl`."""
    return f"{spoken(step)}: {part}" if part else spoken(step)


def counts_sentence(counts: Mapping[str, int]) -> str:
    """Say what became of the rows so far: `559 of 574 rows kept, 15 quarantined`; empty without counts.

    Rows that were mended, and are `in` the counts of the shard that they came with: `3 mended rows taken back, 1 filtered`.
    """
    if "in" not in counts:
        return ", ".join(f"{count:,} {spoken(name)}" for name, count in counts.items())
    told = [f"{counts[name]:,} {spoken(name)}" for name in ROWS[2:] if counts.get(name, 0) > 0]
    if not counts["in"] and counts.get("quarantined", 0) < 0:
        return ", ".join([f"{counted(-counts['quarantined'], 'mended row')} taken back", *told])
    return ", ".join([f"{counts['kept']:,} of {counts['in']:,} rows kept", *told])


def receipt_markdown(step: str, part: str, receipt: Receipt) -> str:
    """Give a receipt as markdown: what it says in words, its counts, and at the end all of it as JSON."""
    said = str(getattr(receipt, "reason", "")).removesuffix(".") or counts_sentence(receipt.counts)
    parts = [
        f"**{title_of(step, part)}**" + (f": {said}." if said else f" made `{receipt.digest[:DIGEST]}`."),
        _table([{"rows": spoken(name), "count": f"{count:,}"} for name, count in receipt.counts.items()]),
        f"It lies in `{receipt.path}` of the workspace.",
        f"```json\n{json.dumps(receipt.model_dump(mode='json'), indent=2)}\n```",
    ]
    return "\n\n".join(filter(None, parts))


def receipts_table(made: Sequence[tuple[str, str, bool, Receipt]]) -> list[dict[str, Any]]:
    """Give what a run's steps made, in order, from step, part, whether it came from the store, and receipt."""
    return [
        {
            "step": spoken(step),
            "part": part,
            "made": "from the store" if cached else "in this run",
            "counts": counts_sentence(receipt.counts),
            "digest": receipt.digest[:DIGEST],
        }
        for step, part, cached, receipt in made
    ]


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return ""
    head = list(rows[0])
    lines = [head, ["---", "---:"], *([row[name] for name in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
