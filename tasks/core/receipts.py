"""What travels between tasks: small frozen records that say where an artifact is and what it holds.

LogFile → RawLogs → ValidLogs → CleanLogs → ValidCleanLogs → Examples → ValidExamples → TokenRows
BaseSource → BaseModel → Adapter → Evaluation, MergedModel → RegisteredModel, Decision → Promotion
"""

from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import ConfigDict


class Record(pydantic.BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LogFile(Record):
    """A log file as found on disk; its digest is in cache keys, its path is not."""

    path: Path
    digest: str


class BaseSource(Record):
    """Where the base model comes from; its identity is in cache keys, its folder is not.

    `identity` is the digest of a local folder's files, or `hub id@revision`.
    """

    identity: str
    folder: Path | None = None
    repository: str = ""
    revision: str = ""


class Rival(Record):
    """The registered version that a challenger must beat."""

    version: int
    run_id: str
    adapter_digest: str
    base_digest: str


class Receipt(Record):
    """Where an artifact is (relative to the workspace), its digest, counts, and what it was made from.

    The row counts add up: in = kept + quarantined + filtered + duplicates + over_length.
    """

    path: str
    digest: str
    counts: dict[str, int] = {}
    made_from: dict[str, Any] = {}

    def folder(self, workspace: Path) -> Path:
        """Give the artifact's folder in `workspace`."""
        return workspace / self.path


class RawLogs(Receipt):
    """One shard of logs with canonical columns."""


class ValidLogs(Receipt):
    """Raw rows that passed their expectations."""


class CleanLogs(Receipt):
    """Normalized and redacted rows."""


class ValidCleanLogs(Receipt):
    """Clean rows that passed their expectations."""


class Examples(Receipt):
    """Distinct conversations, each in the training or the held-out part."""


class ValidExamples(Receipt):
    """Examples that passed their expectations."""


class BaseModel(Receipt):
    """The files of the base model."""

    identity: str


class TokenRows(Receipt):
    """Token ids with the length of their prompts; the prompt's template is bound to the tokenizer."""


class Adapter(Receipt):
    """LoRA weights; `adapter_digest` covers the weights and their configuration, nothing else."""

    adapter_digest: str
    base_digest: str
    training: dict[str, Any] = {}


class Evaluation(Receipt):
    """Held-out scores of one model."""

    who: Literal["base", "challenger", "champion"]
    metrics: dict[str, float]


class MergedModel(Receipt):
    """The merged model and the proof that it equals the adapter on its base."""

    proof: dict[str, Any]


class RegisteredModel(Receipt):
    """A version in the registry."""

    name: str
    version: int
    run_id: str
    content_key: str


class Decision(Receipt):
    """What the gate said, and why."""

    outcome: Literal["promote", "keep", "ask"]
    reason: str
    gains: dict[str, dict[str, float]]


class Promotion(Receipt):
    """Which version the `champion` alias was moved to, and which it left; 0 is none."""

    moved: bool
    version: int
    replaced: int
