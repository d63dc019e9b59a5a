"""What steps are given: what was found, asked or said, and what of it counts for cache keys."""

from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from tasks.core.receipts.base import Record
from tasks.core.receipts.data import ChosenRows
from tasks.core.receipts.models import Adapter


class LogFile(Record):
    """A log file as found; its digest is in cache keys, its name and place are not."""

    location: str
    """Absolute path, or URL."""
    name: str
    format: Literal["jsonl", "json", "csv", "tsv", "parquet"]
    compression: Literal["", "gzip", "zstd"]
    digest: str

    def in_key(self) -> Any:
        """Give the content and how it is to be read; name and place do not count."""
        return {"LogFile": [self.digest, self.format, self.compression]}


class LogShard(Record):
    """A bounded part of a log file: a range of its lines, or a part that it was unpacked to."""

    name: str
    """Name of the log file, for people."""
    path: Path
    start: int
    length: int
    kind: Literal["lines", "records"]
    first_line: int
    """Line of the log file that the shard begins with, from 1; not in cache keys."""
    digest: str

    def in_key(self) -> Any:
        """Give the content; name and place do not count, nor where in its file it lies."""
        return {"LogShard": self.digest, "kind": self.kind}


class SuiteText(Record):
    """An expectation suite as it is written; its text is in cache keys."""

    name: str
    text: str

    def in_key(self) -> Any:
        """Give name and digest: a receipt that shows what it was made from need not show the whole text."""
        return {"SuiteText": self.name, "digest": sha256(self.text.encode()).hexdigest()}


class GoldenCase(Record):
    """A question that every model is asked, and what its reply must hold; texts are the user's own."""

    id: str
    question: str
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    must_match: tuple[str, ...] = ()
    critical: bool = False


class GoldenCases(Record):
    """The golden cases of a run, as their file says them; what they say is in cache keys, their place is not."""

    cases: tuple[GoldenCase, ...] = ()

    def in_key(self) -> Any:
        """Give number and digest: a receipt that shows what it was made from shows no text of theirs."""
        return {"GoldenCases": len(self.cases), "digest": sha256(self.model_dump_json().encode()).hexdigest()}


class Passage(Record):
    """A short text of general knowledge, by its language code; our own, never from a log."""

    id: str
    language: str
    text: str


class GeneralText(Record):
    """The passages that every model is asked to foresee, to tell what it has unlearned; what they say is in cache keys."""

    passages: tuple[Passage, ...] = ()

    def in_key(self) -> Any:
        """Give number and digest: a receipt that shows what it was made from need not show the texts."""
        return {
            "GeneralText": len(self.passages),
            "digest": sha256(self.model_dump_json().encode()).hexdigest(),
        }


class HarnessTask(Record):
    """A task of lm-eval: by name alone, or a user's own, with its document as JSON and the digest of it and its local data."""

    name: str
    document: str = ""
    digest: str = ""


class HarnessTasks(Record):
    """The tasks of lm-eval that a run asks; what they say is in cache keys, their place is not."""

    tasks: tuple[HarnessTask, ...] = ()

    def in_key(self) -> Any:
        """Give names and digests: a receipt that shows what it was made from shows no text of theirs."""
        return {"HarnessTasks": [[one.name, one.digest] for one in self.tasks]}


class Promised(Record):
    """What cleaning was asked to do, so that its door asks for no more."""

    redact: bool
    prompt_styles: bool
    redactor: str = "patterns"
    redactor_version: str = ""


class FixedRows(Record):
    """The rows that people have fixed; their digest is in cache keys, their place is not."""

    path: Path
    digest: str

    def in_key(self) -> Any:
        """Give the content; the place does not count."""
        return {"FixedRows": self.digest}


class BaseSource(Record):
    """Where the base model comes from; its identity is in cache keys, its folder is not.

    `identity` is the digest of a local folder's files, or `hub id@revision`.
    """

    identity: str
    folder: Path | None = None
    repository: str = ""
    revision: str = ""

    def in_key(self) -> Any:
        """Give the identity; the folder does not count."""
        return {"BaseSource": self.identity}


class Rival(Record):
    """The registered version that a challenger must beat."""

    version: int
    run_id: str
    adapter_digest: str
    base_digest: str
    examples_digest: str = ""
    token_rows_digest: str = ""
    unfit: str = ""
    """Why it cannot be compared with the challenger row by row; empty when it can."""


class Parent(Record):
    """The registered version whose adapter a training may go on with; the adapter is that of its own training, in this store."""

    version: int = 0
    """0 where there is none."""
    adapter: Adapter | None = None
    unfit: str = ""
    """Why the training begins from the base; empty where it need not."""
    as_before: bool = False
    """It does so as that of the champion did, on the same rows."""

    def in_key(self) -> Any:
        """Give the version and the digest of its adapter."""
        return {"Parent": [self.version, self.adapter.digest if self.adapter else ""]}


class WarmStart(Record):
    """What a training goes on from: an adapter that was trained before, and the rows that it is trained on now."""

    parent: Adapter
    rows: ChosenRows

    def in_key(self) -> Any:
        """Give both digests; the version that the adapter has in a registry does not count."""
        return {"WarmStart": [self.parent.digest, self.rows.digest]}


class AskedVersion(Record):
    """The registered version that a file of questions is asked; what it holds is in cache keys, its number is not."""

    name: str
    number: int
    files_digest: str

    def in_key(self) -> Any:
        """Give the digest of its files."""
        return {"AskedVersion": self.files_digest}


class Standing(Record):
    """How things stand before a training, as far as it decides: no day and no count that settles nothing is in it."""

    version: int
    """The champion; 0 when there is none."""
    tried: int = 0
    """The newest version since that did not become champion, by the same settings, on other data than today's; 0 for none."""
    tried_dataset: str = ""
    """Digest of the examples that it was trained on, which are in this workspace's store."""
    dataset: str = ""
    """Digest of the examples that the champion was trained on."""
    at_hand: bool = False
    """They are in this workspace's store."""
    other_base: bool = False
    """It stands on another base than this run's."""
    overdue: bool = False
    """It, or the one tried last, is older than the settings allow."""
    spent: int = 0
    """Trainings of late, where the budget allows no more; else 0."""


class Answer(Record):
    """What a person said of a challenger that waited for a word."""

    approved: bool
    who: str
    why: str
