"""Unpacking: a log file that is not plain JSON lines becomes parts that are."""

from tasks.core.errors import DataError
from tasks.core.files.finding import Source
from tasks.core.files.sampling import digest_source
from tasks.core.files.unpacking import unpack
from tasks.core.intake.part_veiling import veil
from tasks.core.receipts import LogFile, UnpackedLogs, UnpackedPart
from tasks.core.settings import LogsSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.tombstones import Tombstones
from tasks.lid import step


@step("unpacking", UnpackedLogs, libraries=("pyarrow", "orjson", "fsspec"))
def unpack_log(
    draft: Draft,
    file: LogFile,
    id_field: str,
    max_unpacked_mib: int,
    tombstones: Tombstones,
    logs: LogsSettings | None,
) -> UnpackedLogs:
    """Unpack, convert and cut one log file; nothing of it is judged yet.

    Records of requesters who are to be forgotten are left out, by what `logs` says of the columns; it is needed for
    nothing else, and so not in the key as long as nobody is to be forgotten.
    """
    source = Source(file.location, file.name)

    done = unpack(
        source,
        file.format,
        file.compression,
        draft.folder,
        max_unpacked=max_unpacked_mib * 2**20,
        id_field=id_field,
    )

    if digest_source(source) != file.digest:
        raise DataError(f"{file.name} changed while it was read.", cure="Start again.")
    parts = tuple(
        UnpackedPart(
            name=part.name,
            kind=part.kind,
            first_line=part.first_line,
            length=part.length,
            digest=part.digest,
        )
        for part in (veil(done.parts, draft.folder, logs, tombstones, file.name) if logs else done.parts)
    )
    return draft.seal(UnpackedLogs, parts=parts, held_back=int(done.held_back is not None))
