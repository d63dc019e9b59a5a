"""Question reading: a file of questions in parts that are answered one after the other."""

from collections.abc import Sequence
from pathlib import Path

from tasks.core.errors import DataError
from tasks.core.files.containers import kind_of
from tasks.core.files.finding import Source, find_sources
from tasks.core.files.sampling import digest_source
from tasks.core.files.unpacking import stream_records
from tasks.core.receipts import LogFile, QuestionPart, Questions
from tasks.core.serving.questions import QUESTIONS, REFUSED, Row, parts_of_rows, read_rows_of
from tasks.core.store.artifacts import Draft
from tasks.core.store.rows import write_rows
from tasks.journal import journal
from tasks.lid import step


def find_questions(path: Path) -> LogFile:
    """Find a file of questions. Raises `DataError` when it cannot be used."""
    sources = find_sources([str(path)])
    if len(sources) != 1:
        raise DataError(f"{path} is not one file.", cure="Give the files one at a time.")
    form, compression = kind_of(sources[0])
    return LogFile.model_validate(
        {
            "location": sources[0].location,
            "name": sources[0].name,
            "format": form,
            "compression": compression,
            "digest": digest_source(sources[0]),
        }
    )


def named_parts(file: LogFile, questions: Questions) -> tuple[QuestionPart, ...]:
    """Give the parts of a file, each known by its place in it."""
    count = len(questions.parts)
    for place, part in enumerate(questions.parts, 1):
        journal().parts[part.digest] = f"{file.name} part {place:,} of {count:,}"
    return questions.parts


@step("question_reading", Questions, libraries=("orjson", "pyarrow"))
def read_questions(draft: Draft, file: LogFile, max_unpacked_mib: int) -> Questions:
    """Read every row of a file with questions; one that asks nothing is kept apart, with its line and the reason."""
    source, most = Source(file.location, file.name), max_unpacked_mib * 2**20
    records = stream_records(source, file.format, file.compression, draft.folder, max_unpacked=most)

    parts = [
        _part(draft, f"part-{place:05}", rows)
        for place, rows in enumerate(parts_of_rows(read_rows_of(records)))
    ]

    if digest_source(source) != file.digest:
        raise DataError(f"{file.name} changed while it was read.", cure="Start again.")
    if not parts:
        raise DataError(
            f"{file.name} holds no row.", cure='Give rows such as {"id": 1, "question": "How …?"}.'
        )
    counts = {name: sum(part.counts[name] for part in parts) for name in parts[0].counts}
    return draft.seal(Questions, counts=counts, parts=tuple(parts))


def _part(draft: Draft, name: str, rows: Sequence[Row]) -> QuestionPart:
    folder = draft.folder / name
    folder.mkdir()
    kept = write_rows(folder / QUESTIONS, (row.asked() for row in rows if not row.reason))
    refused = write_rows(folder / REFUSED, (row.refused() for row in rows if row.reason))
    return draft.part(QuestionPart, name, {"in": len(rows), "kept": kept, "quarantined": refused}, {})
