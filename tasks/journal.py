"""The journal of a run: what its steps did, in order, and what there is to tell of it."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from tasks.core.errors import FreshtuneError
from tasks.core.receipts import Receipt

RUNNING = "Running"  # the state of a step that has begun
PRUNED = "Pruned"  # the state of a trial that a sweep has ended


@dataclass
class StepRun:
    """What one step did in this run, or does: `part` is the log file or the model it works on, `told` what there is to say.

    Of a step that is running, `share` says how much is done, from 0 to 1, where that is known, and `long` that it is known to
    take long. With `titled`, the part names the step by itself, as that of a trial.
    """

    name: str
    state: str
    cached: bool
    seconds: float
    part: str = ""
    told: str = ""
    titled: bool = False
    share: float | None = None
    long: bool = False


@dataclass
class Journal:
    """What the steps of one run did, in order, and what there is to tell of it.

    `notes` say what was found out (the shape of the logs), `warnings` what went otherwise than planned, with their `cures`
    where one is known; `sources` names the file and first line of each shard by its digest; `taken` are artifacts that another run built; `parts` names
    the part of the data that an artifact is of, by its digest; `run_id` is the name that the next run shall have; `settings_key`
    tells settings that give other results from each other, where runs by the same ones shall be known.
    """

    run_id: str = ""
    settings_key: str = ""
    steps: list[StepRun] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sources: dict[str, tuple[str, int]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    parts: dict[str, str] = field(default_factory=dict)
    made: list[tuple[StepRun, Receipt]] = field(default_factory=list)
    errors: dict[str, FreshtuneError] = field(default_factory=dict)
    on_step: Callable[[StepRun], None] | None = None

    @property
    def error(self) -> FreshtuneError | None:
        """Give the latest error that no later attempt of its step made good."""
        return next(reversed(self.errors.values()), None)

    def branch(self) -> "Journal":
        """Give a journal of steps that run beside others, for `join`; what is known of the data is shared."""
        return replace(self, steps=[], receipts=[], warnings=[], notes=[], made=[], errors={})

    def join(self, branch: "Journal") -> None:
        """Take in what a branch holds, as if its steps had run now."""
        self.steps += branch.steps
        self.receipts += branch.receipts
        self.warnings += branch.warnings
        self.notes += branch.notes
        self.made += branch.made
        self.errors |= branch.errors

    def warn(self, message: str, cure: str = "") -> None:
        """Note what went otherwise than planned, and what can be done about it, where that is known."""
        self.warnings.append(message)
        if cure:
            self.cures[message] = cure

    def add(self, run: StepRun) -> None:
        """Note a finished step and tell whoever watches."""
        self.steps.append(run)
        self.tell(run)

    def tell(self, run: StepRun) -> None:
        """Tell whoever watches of a step that is done, or of one that has begun and how far it is."""
        if self.on_step:
            self.on_step(run)


JOURNAL: ContextVar[Journal | None] = ContextVar("freshtune_journal", default=None)


def journal() -> Journal:
    """Give the journal of the run in this context; opens one when there is none."""
    current = JOURNAL.get()
    if current is None:
        current = Journal()
        JOURNAL.set(current)
    return current
