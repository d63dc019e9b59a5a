"""What travels between tasks: small frozen records that say where an artifact is and what it holds.

LogFile → (UnpackedLogs →) LogShard → (MessageRows → Threads →) RawLogs → ValidLogs → CleanLogs → ValidCleanLogs
ValidCleanLogs → Formation of Verdicts → ExampleShard → ValidExamples (→ Worth) → TokenShard → TokenRows
BaseSource → BaseModel (→ ChosenTrial) → Adapter → Evaluation (→ ComparedReplies), MergedModel → RegisteredModel, Decision → Promotion
LogFile → Questions → AnsweredPart
Rival → KnownDataset → EarlierRows → EarlierScores → Decision
"""

from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import ConfigDict


class Record(pydantic.BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def in_key(self) -> Any:
        """Give what counts for cache keys: by default everything."""
        return self.model_dump(mode="json")


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
    dataset: str = ""
    """Digest of the examples that it was trained on."""
    at_hand: bool = False
    """They are in this workspace's store."""
    other_base: bool = False
    """It stands on another base than this run's."""
    overdue: bool = False
    """It is older than the settings allow."""
    spent: int = 0
    """Trainings of late, where the budget allows no more; else 0."""


class Answer(Record):
    """What a person said of a challenger that waited for a word."""

    approved: bool
    who: str
    why: str


class Receipt(Record):
    """Where an artifact is (relative to the workspace), its digest, counts, and what it was made from.

    The row counts add up: in = kept + quarantined + filtered + duplicates + over_length. A shard of rows that were fixed
    and taken back has `in` 0: its rows leave `quarantined`, which is therefore negative.
    """

    path: str
    digest: str
    counts: dict[str, int] = {}
    made_from: dict[str, Any] = {}

    def in_key(self) -> Any:
        """Give the digest."""
        return {type(self).__name__: self.digest}

    def folder(self, workspace: Path) -> Path:
        """Give the artifact's folder in `workspace`."""
        return workspace / self.path


class UnpackedPart(Record):
    """A part of an unpacked log file."""

    name: str
    kind: Literal["lines", "records"]
    first_line: int
    length: int
    digest: str


class UnpackedLogs(Receipt):
    """A log file that is not plain JSON lines, as parts that are."""

    parts: tuple[UnpackedPart, ...]
    held_back: int = 0
    """Lines at the end that are not whole yet."""


class MessageRows(Receipt):
    """The messages of one shard of a log with one message a row."""


class RawLogs(Receipt):
    """One shard of logs as candidate rows with canonical columns."""


class Threads(Receipt):
    """Conversations put together from messages; each lies with the shard in which it begins."""

    parts: tuple[RawLogs, ...]


class ValidLogs(Receipt):
    """Raw rows that passed their expectations."""


class CleanLogs(Receipt):
    """Normalized and redacted rows, with the hashes by which they are compared."""


class ValidCleanLogs(Receipt):
    """Clean rows that passed their expectations."""


class Verdicts(Receipt):
    """What becomes of the rows of one shard: training, held out, or a duplicate."""


class Formation(Receipt):
    """Duplicates and split over all shards: one part for each of them, in their order."""

    parts: tuple[Verdicts, ...]


class ExampleShard(Receipt):
    """The examples of one shard that passed their expectations."""


class ValidExamples(Receipt):
    """All examples: distinct conversations, each in the training or the held-out part."""

    shards: tuple[ExampleShard, ...]


class Worth(Receipt):
    """Whether today's examples are worth a training, and why; `drift` is by trait, in bits, with its p-value.

    `counts`, of rows, are empty where the champion's are not known: `training_rows` are today's, `new` of them were none of
    the champion's, `gone` of the champion's are none of today's; `repeats` of what `came` since equal or nearly equal others.
    """

    train: bool
    reason: str
    drift: dict[str, dict[str, float]] = {}


class TokenShard(Receipt):
    """Token ids of the examples of one shard."""


class BaseModel(Receipt):
    """The files of the base model."""

    identity: str


class TokenRows(Receipt):
    """Token ids with the length of their prompts; the prompt's template is bound to the tokenizer."""


class KnownDataset(Record):
    """The dataset that a version was made from, as it lies in this store."""

    examples: ValidExamples
    rows: TokenRows

    def in_key(self) -> Any:
        """Give the digests of its shards and of its token rows."""
        return {"KnownDataset": [*(shard.digest for shard in self.examples.shards), self.rows.digest]}


class EarlierRows(Receipt):
    """Held-out rows of the champion's dataset that today's logs do not hold, as token rows.

    Counts: `rows`, the `requesters` that they are of, and how many were left out as of somebody `forgotten`.
    """


class Adapter(Receipt):
    """LoRA weights; `adapter_digest` covers the weights and their configuration, nothing else."""

    adapter_digest: str
    base_digest: str
    training: dict[str, Any] = {}


class TrialAdapter(Adapter):
    """The adapter of a complete trial, which is not the one that its run is about."""


class Trial(Record):
    """What one trial of a sweep came to, after `step` of `steps`; a failed one has no loss, and a `problem` instead."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    point: dict[str, Any]
    """The values that it tried, by the names of the settings."""
    loss: float | None = None
    """Of the watched rows, in nats per token: at the end of a complete one, and where a pruned one was ended."""
    step: int = 0
    steps: int = 0
    adapter: str = ""
    """Digest of a complete one's adapter."""
    problem: str = ""

    def in_key(self) -> Any:
        """Give what it came to; how a failure is worded does not count."""
        return self.model_dump(mode="json", exclude={"problem"})


class ChosenTrial(Receipt):
    """The best trial of a sweep, and all that it was chosen from."""

    reason: str
    number: int
    trials: tuple[Trial, ...]


class Evaluation(Receipt):
    """Held-out scores of one model."""

    who: Literal["base", "challenger", "champion"]
    metrics: dict[str, float]


class HarnessScores(Receipt):
    """Figures of one model on tasks of lm-eval, as `task/metric`."""

    who: Literal["base", "challenger"]
    metrics: dict[str, float]


class EarlierScores(Receipt):
    """Scores of challenger and champion on the earlier rows, by model."""

    metrics: dict[str, dict[str, float]]


class ComparedReplies(Receipt):
    """How the challenger's replies stand against a rival's in a judge's eyes: `wins`, `losses`, `ties`, `unreadable`."""

    rival: Literal["base", "challenger", "champion"]
    judge: str
    """The model that was asked."""
    p_value: float
    """Of wins and losses, two-sided, by a sign test."""


class MergedModel(Receipt):
    """The merged model, whose digest is of its own files alone, and the proof that it equals the adapter on its base."""

    proof: dict[str, Any]


class RegisteredModel(Receipt):
    """A version in the registry."""

    name: str
    version: int
    run_id: str
    content_key: str


EARLIER = "earlier rows"  # the slice of those of the champion's dataset that today's logs do not hold


class Decision(Receipt):
    """What the gate said, and why."""

    outcome: Literal["promote", "keep", "ask"]
    reason: str
    gains: dict[str, dict[str, float]]
    slices: list[dict[str, Any]] = []
    """By slice: the gain over the champion, or over the base where there is none, and whether it `fell`."""
    earlier: str = ""
    """What rows of the champion's dataset were asked beside today's, or why none were; empty where there is no champion."""
    general: dict[str, Any] = {}
    """The gain over the base on general text, also by `languages`, and which of these `fell` (`all` or a language)."""
    rival: int = 0
    """The version that was to be beaten; 0 when there was none."""


class Promotion(Receipt):
    """Whether a version is champion, why, and which version it took the alias from; 0 is none."""

    moved: bool
    waits: bool = False
    """A person has not said yet whether it shall be."""
    version: int
    replaced: int
    reason: str


class QuestionPart(Receipt):
    """Some rows of a file of questions, in its order; those that ask nothing are `quarantined`."""


class Questions(Receipt):
    """A file of questions, in parts."""

    parts: tuple[QuestionPart, ...]


class AnsweredPart(Receipt):
    """The replies to a part of the questions; rows that cannot be asked are `quarantined`."""

    prompt_tokens: int
    reply_tokens: int
