"""The ledger: every row that was not kept, with row id, step, rule and reason.

The ledger holds no text and may be shown. The quarantine beside it holds the rows themselves and stays private.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tasks.core.store.rows import LEDGER, QUARANTINE, write_rows

Fate = Literal["quarantined", "filtered", "duplicates", "over_length"]
FATES: tuple[Fate, ...] = ("quarantined", "filtered", "duplicates", "over_length")


@dataclass(frozen=True)
class Entry:
    """One row that was not kept; `row` is the private content, and never in the ledger."""

    row_id: str
    line: int
    """Line in its shard, from 1."""
    fate: Fate
    rule: str
    reason: str
    expectation: str = ""
    """Type of the expectation that failed, where one did."""
    of: str = ""
    """The row that a duplicate repeats."""
    row: Mapping[str, Any] = field(default_factory=dict)


def write_ledger(folder: Path, step: str, entries: Sequence[Entry]) -> None:
    """Write the public ledger and the private quarantine of one artifact."""
    write_rows(folder / LEDGER, (_line(step, entry) for entry in entries))
    held = (
        {**_line(step, entry), "row": dict(entry.row)} for entry in entries if entry.fate == "quarantined"
    )
    write_rows(folder / QUARANTINE, held)
    (folder / QUARANTINE).chmod(0o600)


def account(before: Mapping[str, int], kept: int, entries: Iterable[Entry]) -> dict[str, int]:
    """Carry the row counts on: what was kept before is now kept or in one of the fates.

    Raises `AssertionError` when a row is lost or counted twice: that is a bug, not a user's mistake.
    """
    fates = Counter(entry.fate for entry in entries)
    counts: dict[str, int] = {"in": before["in"], "kept": kept}
    counts |= {fate: before.get(fate, 0) + fates[fate] for fate in FATES}
    check_sum(counts)
    return counts


def add_counts(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up the row counts of several shards."""
    total = dict.fromkeys(("in", "kept", *FATES), 0)
    for part in parts:
        for name in total:
            total[name] += part.get(name, 0)
    return total


def check_sum(counts: Mapping[str, int]) -> None:
    """Insist that in = kept + every fate."""
    rest = counts["kept"] + sum(counts[fate] for fate in FATES)
    if counts["in"] != rest:
        raise AssertionError(f"rows do not add up: {counts['in']} in, {rest} accounted for")


def _line(step: str, entry: Entry) -> dict[str, str | int]:
    return {
        "row_id": entry.row_id,
        "line": entry.line,
        "step": step,
        "fate": entry.fate,
        "rule": entry.rule,
        "reason": entry.reason,
        "expectation": entry.expectation,
        **({"of": entry.of} if entry.of else {}),
    }
