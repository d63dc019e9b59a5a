"""The summary of a run: what the report, the terminal and the tables are made from.

The parts are plain dictionaries, as the steps and the store write them. A part that a run did not come to is empty,
and whatever is made from the summary leaves it out.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

A_FILE = "one of the log files"
FATES = ("quarantined", "filtered", "duplicates", "over_length")


@dataclass(frozen=True)
class RunSummary:
    """What one run did; `replies`, `golden_replies` and `samples` hold text, `files` names, and are private."""

    status: str
    """`promoted`, `kept`, `awaiting-approval`, `skipped`, `checked` or `failed`."""
    reason: str
    """Why, in one sentence without text from the logs."""
    run_id: str
    """Name of the run's folder."""
    started: str
    """When it began, with its offset from UTC."""
    seconds: float
    """How long it took."""
    rows: dict[str, int] = field(default_factory=dict)
    """`in` = `kept` + every fate; `train` and `held_out` are parts of `kept`."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Rows by what the ledger says of them: `fate: rule`."""
    changes: dict[str, int] = field(default_factory=dict)
    """Rows that each craft of the cleaning changed; in capitals, pieces of personal data found by kind."""
    redaction: dict[str, Any] = field(default_factory=dict)
    """How well personal data is found, measured on `rows` labelled rows: by kind, in `main` and `obfuscated`."""
    spread: dict[str, dict[str, int]] = field(default_factory=dict)
    """Examples by value of each trait (`language`, `product`), most first; values of few rows are counted together."""
    lengths: dict[str, Any] = field(default_factory=dict)
    """Histogram of the examples' lengths in tokens: `max_length`, `rows`, `tokens`, `longest`, `over`, `bins`."""
    notes: list[str] = field(default_factory=list)
    """What was found out on the way, such as the shape of the logs."""
    worth: dict[str, Any] = field(default_factory=dict)
    """Where it was asked, whether to `train` and the `reason`; of rows `training_rows`, `new`, `gone`, `came`, `repeats`; `drift`."""
    start: dict[str, Any] = field(default_factory=dict)
    """Where a training went on from a version: its number as `version`; of rows `train`, `new`, `replayed`, `left_out`."""
    sweep: dict[str, Any] = field(default_factory=dict)
    """Of a sweep: the `reason`, the `number` of the chosen trial, counts by state, and `trials` as their receipt has them."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """In order: `name`, `state`, `cached`, `seconds`; a step comes once for each shard."""
    model: dict[str, Any] = field(default_factory=dict)
    """The registered version: `name`, `version`, `aliases`, and the digests that lead back."""
    lineage: dict[str, Any] = field(default_factory=dict)
    """What all was made from: digests by name, `shards` of the logs with their rows, `packages` and the digest of the `code`."""
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    """By model: `loss`, `perplexity`, `token_accuracy`, `rows`, `tokens`."""
    gains: dict[str, dict[str, float]] = field(default_factory=dict)
    """By rival: `mean`, `low`, `high` in nats per token, and the `groups` and `rows` behind them."""
    slices: list[dict[str, Any]] = field(default_factory=list)
    """By slice of the held-out rows: its name, the gain as above over the champion or else the base, and whether it `fell`."""
    earlier: str = ""
    """What rows of the champion's dataset were asked beside today's (the slice `earlier rows` has the gain), or why none were."""
    general: dict[str, Any] = field(default_factory=dict)
    """The gain over the base on general text, as above, also by `languages`, and which of these `fell` (`all` or a language)."""
    harness: dict[str, dict[str, float]] = field(default_factory=dict)
    """Figures on tasks of lm-eval by model, as `task/metric`."""
    golden: list[dict[str, Any]] = field(default_factory=list)
    """Each golden case: `case`, `critical`, and by model the names of the assertions that `failed`."""
    comparison: dict[str, Any] = field(default_factory=dict)
    """What a judge said of the replies: `wins`, `losses`, `ties`, `unreadable`, `p_value`, the `rival`, and the `judge`."""
    merge: dict[str, Any] = field(default_factory=dict)
    """The figures of the proof by name, what it was `merged_into` or lies `beside`, and those of what was `rejected`, by name."""
    training: dict[str, Any] = field(default_factory=dict)
    """The trainer's facts: `steps`, `trainable`, `quantized`, `final_loss`, `tokens`, `seconds`, `joules` where counted, and more."""
    quality: list[dict[str, Any]] = field(default_factory=list)
    """Each suite at each door: `suite`, `part`, `rows`, `passed`, `checks`; no values of rows."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The resolved settings by section."""
    warnings: list[str] = field(default_factory=list)
    """What went otherwise than planned, without text from the logs."""
    cures: dict[str, str] = field(default_factory=dict)
    """By warning: what to do about it, where that is known."""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Private: by digest of a shard, the `name` of its file and the `line` that it begins with."""
    replies: list[dict[str, str]] = field(default_factory=list)
    """Private: `question`, `reference`, and by model what it replied."""
    golden_replies: list[dict[str, Any]] = field(default_factory=list)
    """Private: `case`, `question`, and by model `reply` and `failed`: assertions by name, with their texts."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Private: training rows decoded from their tokens: `prompt`, `learned`, `pieces`, `special`, `tokens`."""
    error: dict[str, Any] | None = None
    """Of a failed run: `type`, `message`, `cure`."""

    @property
    def private(self) -> bool:
        """Say whether the summary holds text from the logs, of models that have learned from them, or names of files."""
        return bool(self.replies or self.golden_replies or self.samples or self.files)

    def public(self) -> "RunSummary":
        """Give a copy without any text from the logs, and without the names of their files, for whoever may see it."""
        names = sorted({one["name"] for one in self.files.values()}, key=len, reverse=True)

        def veiled(text: str) -> str:
            for name in names:
                text = text.replace(name, A_FILE)
            return text

        return replace(
            self._without_text(),
            reason=veiled(self.reason),
            notes=[veiled(one) for one in self.notes],
            warnings=[veiled(one) for one in self.warnings],
            cures={veiled(one): veiled(cure) for one, cure in self.cures.items()},
            error=self.error
            and {name: veiled(one) if isinstance(one, str) else one for name, one in self.error.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Give the figures as plain values, without any text from the logs."""
        return asdict(self._without_text())

    def _without_text(self) -> "RunSummary":
        return replace(self, replies=[], golden_replies=[], samples=[], files={})
