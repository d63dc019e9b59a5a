"""Ancestry: what the receipts of a run say of where all came from, and of what data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.receipts import (
    Adapter,
    BaseModel,
    Decision,
    MergedModel,
    Promotion,
    RawLogs,
    Receipt,
    Threads,
    TokenRows,
    ValidExamples,
)
from tasks.core.report.gathering import first_of
from tasks.core.store.rows import ROWS, read_table

MADE: dict[str, type[Receipt]] = {
    "examples": ValidExamples,
    "token rows": TokenRows,
    "base": BaseModel,
    "adapter": Adapter,
    "merged model": MergedModel,
}
TRAITS = ("language", "product")
MOST_VALUES = 8  # of a trait; the others are counted together
FEW = 5  # rows of a value, which may be one person's: counted together, too
LONGEST = 40  # characters of a value
OTHERS = "others"
UNKNOWN = "not known"

Sources = Mapping[str, tuple[str, int]]


def gather_lineage(receipts: Sequence[Receipt], packages: Mapping[str, str], code: str) -> dict[str, Any]:
    """Give what the run's parts were made from, as digests: nothing of a run that came to no rows.

    `beside` is the version that the challenger was compared with, `replaced` the one that lost the alias to it.
    """
    shards = [
        {"digest": shard_of(one), "in": one.counts.get("in", 0), "kept": one.counts.get("kept", 0)}
        for one in _shards(receipts)
    ]
    if not shards:
        return {}
    found = {name: first_of(receipts, kind) for name, kind in MADE.items()}
    decision, promotion = first_of(receipts, Decision), first_of(receipts, Promotion)
    return {
        "digests": {name: one.digest for name, one in found.items() if one},
        "shards": shards,
        "packages": dict(packages),
        "code": code,
        **({"beside": decision.rival} if decision and decision.rival else {}),
        **({"replaced": promotion.replaced} if promotion and promotion.moved and promotion.replaced else {}),
    }


def gather_files(sources: Sources) -> dict[str, dict[str, Any]]:
    """Give the `name` of the file and the first `line` of each shard, by its digest; private."""
    return {digest: {"name": name, "line": line} for digest, (name, line) in sources.items()}


def gather_spread(receipts: Sequence[Receipt], workspace: Path) -> dict[str, dict[str, int]]:
    """Count the examples by language and by product, as far as they are known; a trait with one value tells nothing."""
    examples = first_of(receipts, ValidExamples)
    if examples is None:
        return {}
    tables = [read_table(one.folder(workspace) / ROWS, TRAITS) for one in examples.shards]
    counts = {
        trait: sum((Counter(one[trait].to_pylist()) for one in tables), Counter[str]()) for trait in TRAITS
    }
    return {trait: spread_of(found) for trait, found in counts.items() if len(+found) > 1}


def spread_of(counts: Mapping[Any, int]) -> dict[str, int]:
    """Give the values with the most rows and their counts; what is left, or of few rows, is counted together."""
    known = sorted(
        ((str(value), rows) for value, rows in counts.items() if value), key=lambda one: (-one[1], one[0])
    )
    shown = {value[:LONGEST]: rows for value, rows in known[:MOST_VALUES] if rows >= FEW}
    unknown = sum(rows for value, rows in counts.items() if not value)
    rest = sum(counts.values()) - unknown - sum(shown.values())
    return shown | ({OTHERS: rest} if rest else {}) | ({UNKNOWN: unknown} if unknown else {})


def shard_of(logs: RawLogs) -> str:
    """Give the digest of the piece of a log file that rows were read from; of what was put together, its own."""
    return str(logs.made_from.get("shard", {}).get("LogShard") or logs.digest)


def _shards(receipts: Sequence[Receipt]) -> list[RawLogs]:
    parts = [part for one in receipts for part in (one.parts if isinstance(one, Threads) else (one,))]
    return [one for one in parts if isinstance(one, RawLogs)]
