"""Quarantine: every row of a run that was not kept, in one private table with its file, line, rule and reason."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.receipts import Receipt
from tasks.core.store.rows import LEDGER, QUARANTINE, ROWS, iterate_rows, read_table

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("row_id", "file")),
        ("line", pa.int64()),
        *((name, pa.string()) for name in ("step", "fate", "rule", "reason", "expectation", "row")),
    ]
)
BATCH = 10_000
Sources = Mapping[str, tuple[str, int]]


def write_quarantine(path: Path, receipts: Sequence[Receipt], workspace: Path, sources: Sources) -> int:
    """Write the table of a run's rejected rows, mode 0600, and give their number.

    `sources` gives the file and first line of a shard by its digest. `row` is the private content as JSON, of rows in
    quarantine only.
    """
    aside = path.with_suffix(".writing")
    count, batch = 0, list[dict[str, Any]]()
    aside.touch(mode=0o600)
    with pq.ParquetWriter(aside, SCHEMA, compression="zstd") as writer:
        for line in _lines(receipts, workspace, sources):
            batch.append(line)
            count += 1
            if len(batch) == BATCH:
                writer.write_table(pa.Table.from_pylist(batch, SCHEMA))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, SCHEMA))
    aside.rename(path)
    return count


def read_quarantine(path: Path) -> list[dict[str, Any]]:
    """Read the table of a run's rejected rows."""
    return list(pq.read_table(path).to_pylist())


def read_columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    """Read some columns of the table, which is far less than all of it."""
    table = pq.read_table(path, columns=list(names))
    return [table[name].to_pylist() for name in names]


def count_rules(receipts: Sequence[Receipt], workspace: Path, fates: Sequence[str]) -> dict[str, int]:
    """Count the rejected rows of some fates by rule, most first."""
    lines = _lines(receipts, workspace, {})
    return dict(Counter(line["rule"] for line in lines if line["fate"] in fates).most_common())


def _lines(receipts: Sequence[Receipt], workspace: Path, sources: Sources) -> Iterator[dict[str, Any]]:
    """Give the rejected rows in the order of the steps; a row that was fixed and taken back is not rejected any more."""
    parts = [
        part for one in receipts for part in (*getattr(one, "parts", ()), one) if isinstance(part, Receipt)
    ]
    origins = {part.digest: part.made_from for part in parts}
    taken = {row_id for part in parts if "fixed" in part.made_from for row_id in _ids(part.folder(workspace))}
    seen: set[str] = set()
    for part in parts:
        folder = part.folder(workspace)
        if part.path in seen or not (folder / LEDGER).exists():
            continue
        seen.add(part.path)
        origin = _origin(part.made_from, origins)
        file, first = sources.get(origin, ("", 1))
        for line in _with_content(folder):
            if origin and line["row_id"] in taken:
                taken.remove(line["row_id"])
            else:
                yield {**line, "file": file, "line": line["line"] + first - 1}


def _ids(folder: Path) -> Iterator[str]:
    yield from read_table(folder / ROWS, ("row_id",))["row_id"].to_pylist()


def _with_content(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the ledger's lines, those in quarantine with their row."""
    held = iterate_rows(folder / QUARANTINE)
    for line in iterate_rows(folder / LEDGER):
        row = json.dumps(next(held)["row"], ensure_ascii=False) if line["fate"] == "quarantined" else ""
        yield {**line, "row": row}


def _origin(made_from: Mapping[str, Any], origins: Mapping[str, Mapping[str, Any]]) -> str:
    """Follow what a receipt was made from up to its shard; empty for rows that were taken back."""
    for name in ("shard", "logs"):
        identity = made_from.get(name)
        if isinstance(identity, Mapping):
            kind, digest = next(iter(identity.items()))
            return digest if kind == "LogShard" else _origin(origins.get(digest, {}), origins)
    return ""
