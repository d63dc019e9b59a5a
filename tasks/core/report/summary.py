"""The summary of a run: what the report, the terminal and the tables are made from."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

FATES = ("quarantined", "filtered", "duplicates", "over_length")


@dataclass(frozen=True)
class RunSummary:
    """What one run did; `replies` and `samples` hold text from the logs and are private."""

    status: str
    reason: str
    run_id: str
    started: str
    seconds: float
    rows: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    gains: dict[str, dict[str, float]] = field(default_factory=dict)
    merge: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    quality: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    replies: list[dict[str, str]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] | None = None

    def public(self) -> "RunSummary":
        """Give a copy without any text from the logs."""
        return replace(self, replies=[], samples=[])

    def to_json(self) -> dict[str, Any]:
        """Give the public figures as plain values."""
        return asdict(self.public())
