"""Containers: what kind of file a log is, and its bytes unpacked as a stream that no bomb gets through.

Names and first bytes must agree. One layer of gzip or zstd is undone; archives hold several files, whose names could
lead anywhere, so they are for people to unpack.
"""

import io
import os
import stat
from contextlib import closing
from pathlib import Path
from typing import IO, Any, NamedTuple

from tasks.core.errors import DataError
from tasks.core.files.finding import COMPRESSIONS, FORMATS, Source, named_kind
from tasks.core.files.parsing import BLANK, BOM, Record, parse_line
from tasks.core.files.remote import open_remote, printable

HEAD = 2**20  # bytes looked at to tell the kind
FREE = 64 * 2**20  # bytes that may unpack at any ratio
MAX_RATIO = 100
MIB = 2**20

_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"SQLite format 3\x00": "an SQLite database",
    b"PAR1": "a Parquet file",
}
_ARCHIVES = (".zip", ".tar", ".tgz", ".tzst", ".7z", ".rar", ".bz2", ".xz", ".lz4", ".br")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


class Kind(NamedTuple):
    """How a file is to be read: `jsonl`, `json`, `csv`, `tsv` or `parquet`; and `""`, `gzip` or `zstd` around it."""

    format: str
    compression: str


def kind_of(source: Source, wanted: str = "auto") -> Kind:
    """Tell the kind of a file by its name and its first bytes; `wanted` is the format setting.

    Raises `DataError` when they disagree, for an archive, for a file packed twice, for text that is not UTF-8, and for
    an ending that says nothing.
    """
    _refuse_archive(source.name)
    named, compression = named_kind(source.name)
    file_format = named if wanted == "auto" else wanted
    if not file_format:
        raise DataError(
            f"{source.name} ends in none of {', '.join(FORMATS)}.",
            cure="Rename it, or set logs.format to what it is.",
        )
    with closing(_open_raw(source)) as file:
        _insist_on_compression(source.name, compression, file.read(8))
    with closing(open_stream(source, compression, FREE)) as stream:
        head = stream.read(HEAD)
    _insist_on_content(source.name, file_format, head)
    lines = file_format == "json" and wanted == "auto" and _holds_lines(head)
    return Kind("jsonl" if lines else file_format, compression)


def _refuse_archive(name: str) -> None:
    stem, ending = os.path.splitext(name.lower())  # noqa: PTH122
    inner = os.path.splitext(stem)[1] if ending in COMPRESSIONS else ending  # noqa: PTH122
    if inner in _ARCHIVES:
        raise DataError(
            f"{name} is an archive.", cure="Unpack it and give the files; .gz and .zst are read as they are."
        )
    if ending in COMPRESSIONS and inner in COMPRESSIONS:
        raise _twice(name)


def _twice(name: str) -> DataError:
    return DataError(f"{name} is packed twice.", cure="Unpack it once.")


def _insist_on_compression(name: str, named: str, head: bytes) -> None:
    found = next((kind for magic, kind in _PACKED.items() if head.startswith(magic)), "")
    if found != named:
        is_what = f"is a {found} file" if found else f"is no {named} file"
        raise DataError(
            f"{name} {is_what}, other than its name says.", cure="Give it the ending of what it is."
        )


def _insist_on_content(name: str, file_format: str, head: bytes) -> None:
    if any(head.startswith(magic) for magic in _PACKED):
        raise _twice(name)
    foreign = next((words for magic, words in _FOREIGN.items() if head.startswith(magic)), "")
    if head[257:262] == b"ustar":
        foreign = "a tar archive"
    if (file_format == "parquet") != (foreign == "a Parquet file") or (foreign and file_format != "parquet"):
        what = f"is {foreign}" if foreign else "does not begin like Parquet"
        raise DataError(f"{name} {what}.", cure="Unpack or export it, or give it the ending of what it is.")
    if file_format != "parquet":
        _insist_on_text(name, head)


def _insist_on_text(name: str, head: bytes) -> None:
    beginning = head[:4096]
    if beginning.startswith(_WIDE) or beginning.count(0) > len(beginning) // 8:
        raise DataError(f"{name} is not UTF-8 text (UTF-16, or no text).", cure="Export it as UTF-8.")
    if b"\n" not in head and b"\r" in head.rstrip():
        raise DataError(
            f"{name} ends its lines with CR alone.", cure=r"Convert it, for example with: tr '\r' '\n' < FILE"
        )


def _holds_lines(head: bytes) -> bool:
    """Tell whether a `.json` file holds a record a line: one of the first lines is a whole object by itself."""
    text = head.removeprefix(BOM).strip(BLANK)
    if text.startswith(b"["):
        return False
    lines = [line for line in text.split(b"\n") if line.strip(BLANK)][:100]
    records = [parse_line(line.strip(BLANK)) for line in lines if line.startswith(b"{")]
    whole = [record for record in records if isinstance(record, dict)]
    return not text or (len(whole) > 0 and not (len(lines) == 1 and _holds_objects(whole[0])))


def _holds_objects(record: Record) -> bool:
    return all(isinstance(value, dict) for value in record.values())


def open_file(path: Path) -> io.BufferedReader:
    """Open a regular file; what became a FIFO or a device since it was found is refused without waiting."""
    shown = printable(path.name)
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(
            f"{shown} cannot be opened ({error.strerror}).", cure="Check the file and its rights."
        ) from None
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise DataError(f"{shown} is not a file.", cure="Give a file with logs.")
    return file


def open_stream(source: Source, compression: str, max_unpacked: int) -> IO[bytes]:
    """Open a file as the stream of its unpacked bytes.

    Reading raises `DataError` for what is cut off or damaged, what unpacks to more than `max_unpacked` bytes, or to
    more than a hundredfold once 64 MiB are out; `ServiceError` when the owner of a URL stops answering.
    """
    raw = _open_raw(source)
    if not compression:
        return raw
    return io.BufferedReader(_Unpacking(raw, compression, source.name, max_unpacked), MIB)


def _open_raw(source: Source) -> IO[bytes]:
    return open_file(Path(source.location)) if source.is_local else open_remote(source.location, source.name)


def insist_on_size(name: str, unpacked: int, *, packed: int, most: int) -> None:
    """Refuse a bomb: more than `most` bytes, or more than a hundredfold beyond what is free."""
    if unpacked > most:
        raise DataError(
            f"{name} unpacks to more than {most // MIB} MiB.",
            cure="Cut it into smaller files, or raise logs.max_unpacked_mib.",
        )
    if unpacked > max(FREE, MAX_RATIO * packed):
        raise DataError(
            f"{name} unpacks to more than {MAX_RATIO} times its size.", cure="Unpack it and look at it."
        )


class _Unpacking(io.RawIOBase):
    """The unpacked bytes of a gzip or zstd file of one or more members."""

    def __init__(self, packed: IO[bytes], compression: str, name: str, max_unpacked: int) -> None:
        import pyarrow as pa

        super().__init__()
        self._packed, self._name, self._most = packed, name, max_unpacked
        self._inner = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), compression)
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except OSError as error:
            state = "ends too early" if "Truncated" in str(error) else "is damaged"
            raise DataError(
                f"{self._name} {state}.", cure="Copy it again, once it is written to its end."
            ) from None
        self._count += len(data)
        insist_on_size(self._name, self._count, packed=self._packed.tell(), most=self._most)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._packed.close()
        super().close()
