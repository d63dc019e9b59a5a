"""Receipts of the chapters of models: bases, adapters, scores, versions and decisions."""

from typing import Any, Literal

from tasks.core.receipts.base import Receipt, Record

EARLIER = "earlier rows"  # the slice of those of the champion's dataset that today's logs do not hold


class BaseModel(Receipt):
    """The files of the base model."""

    identity: str


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
