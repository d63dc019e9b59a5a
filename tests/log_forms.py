"""The same three rows as a log file of every form, and what unpacks them."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tasks.core.files.finding import Source
from tasks.core.files.unpacking import Unpacked, read_part, unpack

ROWS = [{"id": str(number), "question": "How, and\nwhy?", "reply": 'So "it" is.'} for number in range(3)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
TABLE = (
    "id,question,reply\r\n" + "".join(f'{row["id"]},"{row["question"]}","So ""it"" is."\r\n' for row in ROWS)
).encode()
ROOT = Path(__file__).parents[1]


def source_of(path: Path) -> Source:
    return Source(str(path), path.name)


def write(path: Path, data: bytes) -> Source:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return source_of(path)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../a.jsonl", LINES)
    return file.getvalue()


def tarred(mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        about = tarfile.TarInfo("../a.jsonl")
        about.size = len(LINES)
        archive.addfile(about, io.BytesIO(LINES))
    return file.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def rows_as_parquet(table: pa.Table | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(ROWS) if table is None else table, file, **options)
    return file.getvalue()


def ids(rows: list[dict[str, str]] = ROWS) -> bytes:
    return json.dumps(
        {row["id"]: {name: row[name] for name in ("question", "reply")} for row in rows}, indent=1
    ).encode()


FORMS: dict[str, tuple[bytes, tuple[str, str]]] = {
    "a.jsonl": (LINES, ("jsonl", "")),
    "a.ndjson": (LINES, ("jsonl", "")),
    "a.jsonl.gz": (gzip.compress(LINES), ("jsonl", "gzip")),
    "members.jsonl.gz": (gzip.compress(LINES[:50]) + gzip.compress(LINES[50:]), ("jsonl", "gzip")),
    "a.jsonl.zst": (zstd(LINES), ("jsonl", "zstd")),
    "frames.jsonl.zst": (zstd(LINES[:50]) + zstd(LINES[50:]), ("jsonl", "zstd")),
    "lines.json": (LINES, ("jsonl", "")),
    "one.json": (LINES.splitlines()[0], ("jsonl", "")),
    "bad-first.json": (b'{"a": NaN}\n' + LINES, ("jsonl", "")),
    "a.json": (json.dumps(ROWS).encode(), ("json", "")),
    "pretty.json": (b"\xef\xbb\xbf" + json.dumps(ROWS, indent=2).encode(), ("json", "")),
    "row-a-line.json": (b"[\n" + LINES.replace(b"}\n", b"},\n")[:-2] + b"\n]\n", ("json", "")),
    "a.json.gz": (gzip.compress(json.dumps(ROWS).encode()), ("json", "gzip")),
    "ids.json": (ids(), ("json", "")),
    "ids-on-a-line.json": (json.dumps(json.loads(ids())).encode(), ("json", "")),
    "a.csv": (TABLE, ("csv", "")),
    "bom.csv": (b"\xef\xbb\xbf" + TABLE, ("csv", "")),
    "a.csv.zst": (zstd(TABLE), ("csv", "zstd")),
    "a.tsv": (
        TABLE.replace(b'","', b'"\t"').replace(b',"', b'\t"').replace(b"id,question,", b"id\tquestion\t"),
        ("tsv", ""),
    ),
    "a.parquet": (rows_as_parquet(), ("parquet", "")),
    "a.parquet.gz": (gzip.compress(rows_as_parquet()), ("parquet", "gzip")),
}


def read_all(done: Unpacked, folder: Path) -> list[Any]:
    results: list[Any] = []
    for part in done.parts:
        data = (folder / part.name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == part.digest
        assert len(data) == part.length
        found = list(read_part(data, part.kind, part.first_line))
        assert len(found) == part.records
        results += found
    return results


def unpack_here(source: Source, kind: tuple[str, str], **options: Any) -> tuple[list[Any], Unpacked]:
    folder = Path(source.location).parent / f"{source.name}-parts"
    done = unpack(source, *kind, folder, **{"max_unpacked": 2**30, "id_field": "id", **options})
    return read_all(done, folder), done


def bomb(filler: bytes, mebibytes: int) -> bytes:
    """Pack a block that unpacks to a MiB again and again, without unpacking it all."""
    packer = zlib.compressobj(9, wbits=31)
    begin = packer.compress(LINES) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(filler * (2**20 // len(filler))) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + block * mebibytes


PEAK = """
import re, sys, time
from pathlib import Path
from tasks.core.errors import DataError
from tasks.core.files.finding import find_sources
from tasks.core.files.containers import kind_of
from tasks.core.files.unpacking import unpack
import pyarrow.parquet
# not ru_maxrss: a child begins with its parent's
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
peaks, state = [], ""
for path in sys.argv[1:]:
    [source] = find_sources([path])
    started = time.process_time()
    try:
        done = unpack(source, *kind_of(source), Path(path + "-parts"), max_unpacked=2**30)
        state = sum(part.records for part in done.parts)
    except DataError as error:
        state = error.message
    peaks.append(peak())
print(peaks[0], peaks[-1], time.process_time() - started, state, sep="\\n")
"""


def peak_of(*paths: Path) -> tuple[int, int, float, str]:
    """Unpack files in a process and give its peak of memory in MiB after the first and the last, and the last's seconds."""
    command = [sys.executable, "-c", PEAK, *map(str, paths)]
    first, last, seconds, state = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return int(first), int(last), float(seconds), state
