"""Questions of a file: a record becomes one that can be asked, or a reason why it cannot; in parts of bounded size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.core.files.parsing import Numbered, Record, Unreadable

QUESTIONS, REFUSED, REPLIES = "questions.jsonl", "refused.jsonl", "replies.jsonl"  # of a part
MOST_ROWS, MOST_BYTES = 256, 8 * 2**20
"""Of a part: what is answered again at most when a run was killed, and what is held in memory."""


@dataclass(frozen=True)
class Row:
    """A row of the file by its line: what it asks, or why it asks nothing; the reason holds none of its text."""

    line: int
    id: str | int
    question: str = ""
    reason: str = ""
    size: int = 0
    """Bytes as it was read."""

    def asked(self) -> dict[str, Any]:
        """Give a question as it is kept."""
        return {"line": self.line, "id": self.id, "question": self.question}

    def refused(self) -> dict[str, Any]:
        """Give what is told of a row that asks nothing."""
        return refusal(self.line, self.id, self.reason)


def refusal(line: int, name: str | int, reason: str) -> dict[str, Any]:
    """Give what is told of a row that is not answered."""
    return {"line": line, "id": name, "reason": reason}


def read_rows_of(records: Iterable[Numbered]) -> Iterator[Row]:
    """Give every record as a row; one without an id is named by its line."""
    for line, raw, record in records:
        if isinstance(record, Unreadable):
            yield Row(line, line, reason=record.reason)
        else:
            yield _row(line, record, len(raw))


def parts_of_rows(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut rows into parts, in their order; there is no empty one."""
    part, size = list[Row](), 0
    for row in rows:
        if part and (len(part) == MOST_ROWS or size + row.size > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += row.size
    if part:
        yield part


def _row(line: int, record: Record, size: int) -> Row:
    name, question = record.get("id"), record.get("question")
    if name is None:
        name = line
    elif isinstance(name, bool) or not isinstance(name, str | int):
        return Row(line, line, reason="its id is neither text nor a whole number")
    if question is None or question == "":
        return Row(line, name, reason="it has no question")
    if not isinstance(question, str):
        return Row(line, name, reason="its question is not text")
    return Row(line, name, question, size=size)
