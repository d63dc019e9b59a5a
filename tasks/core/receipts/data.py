"""Receipts of the data chapter, and of files of questions."""

from typing import Any, Literal

from tasks.core.receipts.base import Receipt, Record


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


class TokenRows(Receipt):
    """Token ids with the length of their prompts; the prompt's template is bound to the tokenizer."""


class ChosenRows(Receipt):
    """What a training that goes on from the champion's adapter is trained on, as token rows.

    Counts: the `train` rows; of the examples that are on hand, those that are `new` to it, `replayed`, and `left_out`, since it
    knows them already.
    """

    version: int
    """The version whose adapter it goes on with."""
    reason: str
    unfit: str = ""
    """Why the training cannot go on with it; empty when it can."""


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


class QuestionPart(Receipt):
    """Some rows of a file of questions, in its order; those that ask nothing are `quarantined`."""


class Questions(Receipt):
    """A file of questions, in parts."""

    parts: tuple[QuestionPart, ...]


class AnsweredPart(Receipt):
    """The replies to a part of the questions; rows that cannot be asked are `quarantined`."""

    prompt_tokens: int
    reply_tokens: int
