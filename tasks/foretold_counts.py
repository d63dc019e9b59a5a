"""Foretold counts: how many rows and tokens a step will give that has not run, by what its like gave before."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.receipts import LogShard, Receipt, is_foretold
from tasks.core.store.artifacts import damage
from tasks.core.store.fixed_rows import called_for, read_fixed
from tasks.core.store.making import Made

ROW_BYTES, MESSAGE_BYTES = 700, 300  # of a log, where nothing was read yet
ROW_TOKENS = 150  # of an example, where nothing was encoded yet
HELD_OUT = 0.1  # of the examples, likewise
FATES = ("kept", "quarantined", "filtered", "duplicates", "over_length")
SUMS = {
    "token_gathering": "shards",
    "assembly": "shards",
}  # steps whose counts are those of what they are given
Past = Callable[[Path, str], list[Made]]
Values = Mapping[str, Any]


def foretold_counts(step: str, workspace: Path, values: Values, past: Past) -> dict[str, int]:
    """Foretell the counts of a receipt from those of the step's earlier ones: the same shares of the rows that go in."""
    going_in = _rows_in(workspace, values, past)
    if step in SUMS:
        return summed(values[SUMS[step]])
    if step == "readmission":
        rows, doors = read_fixed(values["fixed"].path), values["doors"]
        known = not any(is_foretold(door.digest) or damage(door.folder(workspace)) for door in doors)
        count = len(called_for(workspace, rows, doors) if known else rows)
        return {"in": 0, **dict.fromkeys(FATES, 0), "kept": count, "quarantined": -count}
    if step == "message_collection":
        size = sum(value.length for value in values.values() if isinstance(value, LogShard))
        return {"messages": round(size / _message_bytes(workspace, past)), "rejected": 0}
    earlier = [one.receipt.get("counts", {}) for one in past(workspace, step)]
    whole = sum(_all_of(one) for one in earlier)
    counts = {"in": going_in}
    for fate in FATES:
        share = sum(one.get(fate, 0) for one in earlier) / whole if whole else float(fate == "kept")
        counts[fate] = round(share * going_in)
    if step == "tokenization":
        counts |= _encoded(earlier, counts["kept"])
    return counts


def summed(receipts: Sequence[Receipt]) -> dict[str, int]:
    """Add up the counts of receipts, name by name."""
    total: dict[str, int] = {}
    for receipt in receipts:
        for name, count in receipt.counts.items():
            total[name] = total.get(name, 0) + count
    return total


def _rows_in(workspace: Path, values: Values, past: Past) -> int:
    """Foretell how many rows a step is given: by its receipts, else by the bytes of the logs."""
    given = [count for value in values.values() if (count := _rows(value)) is not None]
    if given:
        return max(given)
    size = sum(value.length for value in values.values() if isinstance(value, LogShard))
    return round(size / _row_bytes(workspace, past))


def _rows(value: Any) -> int | None:
    """Give the rows that came into the data chapter: what became of each is counted on from step to step."""
    if isinstance(value, tuple):
        counts = [count for one in value if (count := _rows(one)) is not None]
        return sum(counts) if counts else None
    return value.counts.get("in") if isinstance(value, Receipt) else None


def _row_bytes(workspace: Path, past: Past) -> float:
    known = [one for one in past(workspace, "collection") if one.effort and one.receipt["counts"].get("in")]
    rows = sum(one.receipt["counts"]["in"] for one in known)
    return sum(one.effort for one in known) / rows if rows else ROW_BYTES


def _all_of(counts: Mapping[str, int]) -> int:
    return sum(counts.get(fate, 0) for fate in FATES)


def _encoded(earlier: Sequence[Mapping[str, int]], kept: int) -> dict[str, int]:
    """Foretell how many tokens there are, and how many of the rows are held out."""
    known = sum(one.get("kept", 0) for one in earlier)
    if not known:
        held_out = round(HELD_OUT * kept)
        tokens = ROW_TOKENS * (kept - held_out)
        reply = tokens // 2
    else:
        held_out, tokens, reply = (
            round(kept * sum(one.get(name, 0) for one in earlier) / known)
            for name in ("held_out", "tokens", "reply_tokens")
        )
    train = kept - held_out
    return {"train": train, "held_out": held_out, "tokens": tokens, "reply_tokens": reply, "pieces": train}


def _message_bytes(workspace: Path, past: Past) -> float:
    known = [one for one in past(workspace, "message_collection") if one.effort]
    messages = sum(one.receipt["counts"].get("messages", 0) for one in known)
    return sum(one.effort for one in known) / messages if messages else MESSAGE_BYTES
