"""Log finding: which files there are, cut into shards, and what shape their records have."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import DataError
from tasks.core.files.containers import kind_of
from tasks.core.files.cutting import cut_lines
from tasks.core.files.finding import Source, find_sources
from tasks.core.files.sampling import digest_source, sample_records
from tasks.core.files.unpacking import read_part
from tasks.core.intake.forgetting import GONE
from tasks.core.intake.shapes import Shape, resolve_shape
from tasks.core.receipts import LogFile, LogShard, UnpackedLogs, is_foretold
from tasks.core.settings import LogsSettings
from tasks.journal import journal

NAMED = 3  # files that a sentence names


@dataclass(frozen=True)
class FoundLogs:
    """Plain files as shards, files that are to be unpacked first, and the names of all."""

    shards: tuple[LogShard, ...]
    packed: tuple[LogFile, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class ShapedShard:
    """A shard and what its records mean."""

    shard: LogShard
    shape: Shape


def find_logs(logs: LogsSettings) -> FoundLogs:
    """Find the files that paths, globs and URLs name. Raises `DataError` when one cannot be used."""
    shards: list[LogShard] = []
    packed: list[LogFile] = []
    sources = find_sources(logs.paths)
    for source in sources:
        form, compression = kind_of(source, logs.format)
        if form == "jsonl" and not compression and source.is_local:
            shards += _cut(source)
        else:
            digest = digest_source(source)
            packed.append(
                LogFile(
                    location=source.location,
                    name=source.name,
                    format=form,
                    compression=compression,
                    digest=digest,
                )
            )
    names = tuple(source.name for source in sources)
    return FoundLogs(tuple(shards), tuple({file.digest: file for file in packed}.values()), names)


def parts_of(workspace: Path, file: LogFile, unpacked: UnpackedLogs) -> list[LogShard]:
    """Give the parts of an unpacked file as shards, and say what was held back."""
    if unpacked.held_back:
        _tell_held_back(file.name)
    folder = unpacked.folder(workspace)
    return [
        LogShard(
            name=file.name,
            path=folder / part.name,
            start=0,
            length=part.length,
            kind=part.kind,
            first_line=part.first_line,
            digest=part.digest,
        )
        for part in unpacked.parts
    ]


def insist_on_rows(shards: Sequence[LogShard], names: Sequence[str]) -> None:
    """Raise `DataError` that names some of the log files when none of them holds a row."""
    if not shards:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise DataError(
            f"The logs hold no row: there is nothing, only a header, or a record that is not whole yet in "
            f"{', '.join(names[:NAMED])}{more}.",
            cure="Check how they were exported, or name others with --logs.",
        )


def shaped(shards: Sequence[LogShard], logs: LogsSettings) -> tuple[ShapedShard, ...]:
    """Resolve the shape of every file from its first records; each content comes once, in the order of its digest."""
    shapes: dict[str, Shape] = {}
    told: set[str] = set()
    for shard in shards:
        if shard.name not in shapes:
            parts = [one for one in shards if one.name == shard.name]
            shapes[shard.name], sentence = _shape_of(parts, logs)
            told.add(sentence)
    journal().notes += sorted(told)
    distinct = {shard.digest: shard for shard in shards}
    ordered = [distinct[digest] for digest in sorted(distinct)]
    journal().sources |= {
        one.digest: (one.name, one.first_line if one.kind == "lines" else 1) for one in ordered
    }
    return tuple(ShapedShard(shard, shapes[shard.name]) for shard in ordered)


def _shape_of(parts: Sequence[LogShard], logs: LogsSettings) -> tuple[Shape, str]:
    """Resolve the shape of a log by the first of its parts that has a record; one of which all is forgotten needs none."""
    name = parts[0].name
    if is_foretold(parts[0].digest):
        return Shape(kind="columns"), f"How {name} is to be read is known once it is unpacked."
    for part in parts:
        records = sample_records(part.path, part.start, part.length, part.kind)
        if records:
            return resolve_shape(records, logs, name)
    if any(_is_veiled(part) for part in parts):
        return Shape(kind="columns"), f"All of {name} is to be forgotten."
    raise DataError(
        f"No record of {name} is a JSON object.",
        cure="Logs are JSON lines, JSON, CSV, TSV or Parquet; say which with logs.format.",
    )


def _is_veiled(part: LogShard) -> bool:
    data = part.path.read_bytes()[part.start : part.start + part.length]
    return any(record == GONE for _, _, record in read_part(data, part.kind, part.first_line))


def _cut(source: Source) -> list[LogShard]:
    path = Path(source.location)
    ranges, held_back = cut_lines(path)
    if held_back:
        _tell_held_back(source.name)
    elif not ranges:
        raise DataError(f"{path} is empty.", cure="Leave it out, or check how it was exported.")
    return [
        LogShard(
            name=source.name,
            path=path,
            start=one.start,
            length=one.length,
            kind="lines",
            first_line=one.first_line,
            digest=one.digest,
        )
        for one in ranges
    ]


def _tell_held_back(name: str) -> None:
    journal().warn(
        f"The last record of {name[:80]} is not whole yet; it is held back for the next run.",
        "Nothing is to be done where the file still grows; where it does not, end its last line.",
    )
