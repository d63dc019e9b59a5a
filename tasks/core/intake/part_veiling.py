"""Part veiling: in the parts of an unpacked log, a mark takes the place of every record that is to be forgotten."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tasks.core.files.parsing import Numbered, Unreadable
from tasks.core.files.records import Found, write_found
from tasks.core.files.sampling import sample_records
from tasks.core.files.unpacking import Part, read_part
from tasks.core.intake.collecting import record_id
from tasks.core.intake.forgetting import GONE, is_forgotten
from tasks.core.intake.shapes import Shape, resolve_shape
from tasks.core.settings import LogsSettings
from tasks.core.store.tombstones import Tombstones


def veil(
    parts: Sequence[Part], folder: Path, logs: LogsSettings, tombstones: Tombstones, where: str
) -> tuple[Part, ...]:
    """Rewrite those parts in `folder` that hold a record which is to be forgotten; its line stays, and is counted.

    `where` names the log in errors; raises what `resolve_shape` raises.
    """
    sample = sample_records(folder / parts[0].name, 0, parts[0].length, parts[0].kind) if parts else []
    if not sample:
        return tuple(parts)  # whoever reads it tells that no record is one
    shape, _ = resolve_shape(sample, logs, where)
    return tuple(_veiled(part, folder / part.name, shape, tombstones) for part in parts)


def _veiled(part: Part, path: Path, shape: Shape, tombstones: Tombstones) -> Part:
    numbered = list(read_part(path.read_bytes(), part.kind, part.first_line))
    hidden = [is_forgotten(record_id(raw), record, shape, tombstones) for _, raw, record in numbered]
    if not any(hidden):
        return part
    lines = [_line(one, hide=hide) for one, hide in zip(numbered, hidden, strict=True)]
    data = b"".join(lines)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return replace(part, kind="records", records=len(lines), length=len(data), digest=digest)


def _line(one: Numbered, *, hide: bool) -> bytes:
    line, raw, record = one
    if hide:
        return write_found(Found(line, b"", GONE))
    return write_found(Found(line, raw, record if isinstance(record, Unreadable) else None))
