"""Quarantine: every row of a run that was not kept, in one private table with its file, line, rule and reason."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.core.receipts import Receipt, ValidCleanLogs, Verdicts
from tasks.core.store.rows import LEDGER, QUARANTINE, ROWS, iterate_rows, read_table

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("row_id", "file")),
        ("line", pa.int64()),
        *((name, pa.string()) for name in ("step", "fate", "rule", "reason", "expectation", "row")),
    ]
)
BATCH = 10_000
MENDED = "mended"  # in place of a file, of a row whose own is not known any more
Place = tuple[str, int]  # file and line
Sources = Mapping[str, Place]
Origins = Mapping[str, Mapping[str, Any]]


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
    """Give the rejected rows in the order of the steps; a row that was fixed and taken back is not rejected any more.

    One that is rejected again as it was mended lies where it lay before.
    """
    parts = [
        part for one in receipts for part in (*getattr(one, "parts", ()), one) if isinstance(part, Receipt)
    ]
    origins = {part.digest: part.made_from for part in parts}
    repeated = _places(parts, workspace, sources, origins) if sources else {}
    taken = {row_id for part in parts if "fixed" in part.made_from for row_id in _ids(part.folder(workspace))}
    mended: dict[str, Place] = {}
    seen: set[str] = set()
    for part in parts:
        folder = part.folder(workspace)
        if part.path in seen or not (folder / LEDGER).exists():
            continue
        seen.add(part.path)
        origin = _origin(part.made_from, origins)
        file, first = sources.get(origin, ("", 1))
        for line in _with_content(folder):
            place = file, line["line"] + first - 1
            if origin and line["row_id"] in taken:
                taken.remove(line["row_id"])
                mended[line["row_id"]] = place
                continue
            if not origin:
                place = mended.get(line["row_id"], (MENDED, 0))
            yield {**_with_place(line, place, repeated), "file": place[0], "line": place[1]}


def _places(
    parts: Sequence[Receipt], workspace: Path, sources: Sources, origins: Origins
) -> dict[str, list[Place]]:
    """Say in which files and lines the rows lie that others repeat."""
    ledgers = [part.folder(workspace) / LEDGER for part in parts if isinstance(part, Verdicts)]
    wanted = {line["of"] for path in ledgers for line in iterate_rows(path) if "of" in line}
    found: dict[str, list[Place]] = {}
    for part in [one for one in parts if wanted and isinstance(one, ValidCleanLogs)]:
        file, first = sources.get(_origin(part.made_from, origins), ("", 1))
        if file:
            rows = read_table(part.folder(workspace) / ROWS, ("row_id", "line"))
            rows = rows.filter(pc.is_in(rows["row_id"], pa.array(sorted(wanted), pa.string())))
            for row in rows.to_pylist():
                found.setdefault(row["row_id"], []).append((file, row["line"] + first - 1))
    return found


def _with_place(line: dict[str, Any], mine: Place, repeated: Mapping[str, Sequence[Place]]) -> dict[str, Any]:
    """Say of a row that repeats another where that one lies; one of the same bytes has the same id."""
    others = [place for place in repeated.get(line.get("of", ""), ()) if place != mine]
    return {**line, "reason": f"{line['reason']} ({others[0][0]}, line {others[0][1]})"} if others else line


def _ids(folder: Path) -> Iterator[str]:
    yield from read_table(folder / ROWS, ("row_id",))["row_id"].to_pylist()


def _with_content(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the ledger's lines, those in quarantine with their row."""
    held = iterate_rows(folder / QUARANTINE)
    for line in iterate_rows(folder / LEDGER):
        row = json.dumps(next(held)["row"], ensure_ascii=False) if line["fate"] == "quarantined" else ""
        yield {**line, "row": row}


def _origin(made_from: Mapping[str, Any], origins: Origins) -> str:
    """Follow what a receipt was made from up to its shard; empty for rows that were taken back."""
    for name in ("shard", "logs"):
        identity = made_from.get(name)
        if isinstance(identity, Mapping):
            kind, digest = next(iter(identity.items()))
            return digest if kind == "LogShard" else _origin(origins.get(digest, {}), origins)
    return ""
