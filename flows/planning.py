"""Planning: the story of a run is gone through without doing any of it, to say what it would do, why, and what it would take."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from flows.recorded_runs import settled
from flows.retrain import go_through
from flows.side_by_side import AT_ONCE
from tasks.core.errors import FreshtuneError
from tasks.core.model.holding import count_weights
from tasks.core.planning.costs import Work, add_up
from tasks.core.planning.memory_forecast import Forecaster, remembered
from tasks.core.planning.rates import Rate, rate_of
from tasks.core.planning.story import TRAINING, count_steps, free_space, headline, rows_of
from tasks.core.receipts import (
    BaseModel,
    ChosenRows,
    Decision,
    Receipt,
    TokenRows,
    ValidExamples,
    Worth,
    is_foretold,
)
from tasks.core.registry.client import has_registry
from tasks.core.report.wording import counted
from tasks.core.settings import ModelSettings, Settings
from tasks.core.store.shadows import shadow_of
from tasks.core.tokens.storing import TRAIN, largest_share, longest_row
from tasks.effort import trained_tokens
from tasks.foresight import Foresight, foresight
from tasks.foretelling import is_data
from tasks.journal import JOURNAL, Journal, StepRun

TOLD = ("name", "part", "fate", "why", "effort", "because")  # of each step
R = TypeVar("R", bound=Receipt)


def plan_run(
    settings: Settings,
    others: Iterable[str] = (),
    forecaster: Forecaster | None = None,
    *,
    exact: bool = False,
    on_step: Callable[[StepRun], None] | None = None,
) -> dict[str, Any]:
    """Say what `retrain` would do with these settings now; it changes nothing.

    If it shall be `exact`, the steps of the data that would run, and the gate's, are done in a shadow of the workspace, and
    `on_step` is told of them. Memory is foreseen for this machine and for the GPUs named in `others`, where something is to be
    trained. Raises what a run would raise before its first step: of settings, logs that are not there, a base that cannot be
    one; an exact plan raises what one of these steps would, too.
    """
    with _place(settings.workspace, exact=exact) as place:
        here = settled(settings.model_copy(update={"workspace": place}))
        token = JOURNAL.set(followed := Journal(on_step=on_step))
        try:
            with foresight(has_registry=has_registry(place), exact=exact) as found:
                go_through(here)
        finally:
            JOURNAL.reset(token)
        return _told(found, followed, here, _memory(found, here, settings.model, others, forecaster))


@contextmanager
def _place(workspace: Path, *, exact: bool) -> Iterator[Path]:
    """Give the workspace to look at, or one in which steps can be done without a trace."""
    if not exact:
        yield workspace
        return
    with shadow_of(workspace) as shadow:
        try:
            yield shadow
        except FreshtuneError as error:  # what is named in the shadow is told of the workspace
            message, cure = (
                text.replace(str(shadow), str(workspace)) for text in (error.message, error.cure)
            )
            raise type(error)(message, cure=cure) from error


def _told(
    found: Foresight, followed: Journal, settings: Settings, memory: list[dict[str, Any]]
) -> dict[str, Any]:
    def rate(step: str) -> Rate | None:
        return rate_of(step, found.past(settings.workspace, step))

    parts = [{name: getattr(one, name) for name in TOLD} for one in found.steps]
    cost = add_up((Work(one.name, one.fate, one.effort) for one in found.steps), rate, AT_ONCE)
    rows = rows_of(parts, cost)
    worth = _first(found, Worth)
    skipped = worth.reason if worth and not worth.train else ""
    return {
        "schema": 1,
        "status": "planned",
        "reason": headline(rows, skipped),
        "steps": [asdict(row) for row in rows],
        "rows": _rows(found),
        "training": _training(found, settings),
        "time": {
            "seconds": round(cost.seconds, 1),
            "least": round(cost.least, 1),
            "most": round(cost.most, 1),
            "runs_seen": cost.seen,
            "guessed": list(cost.elsewhere),
            "unknown": list(cost.unknown),
        },
        "memory": memory,
        "disk": {"needed": cost.size, "free": free_space(settings.workspace)},
        "notes": [*followed.notes, *_unread(found), *_only_foretold(found), *_verdict(found)],
        "warnings": followed.warnings,
        "parts": parts,
    }


def _unread(found: Foresight) -> list[str]:
    if not found.by_size:
        return []
    return [f"{counted(found.by_size, 'artifact')} of the store were only measured; a run reads them."]


def _only_foretold(found: Foresight) -> list[str]:
    if not any(is_data(one) and is_foretold(one.digest) for one in found.receipts):
        return []
    if found.exact:
        return ["What hangs on a base that is not in the store yet is foretold, the tokens among it."]
    return ["What the steps of the data would give is foretold; `--exact` does them aside, and knows."]


def _verdict(found: Foresight) -> list[str]:
    """Say what the gate would decide anew, where an exact plan has asked it."""
    decision = _first(found, Decision)
    asked = any(one.name == "gating" and one.fate == "run" for one in found.steps)
    if decision is None or not asked or is_foretold(decision.digest):
        return []
    return [f"The gate would say: {decision.outcome}. {decision.reason}"]


def _rows(found: Foresight) -> dict[str, Any]:
    examples = _first(found, ValidExamples)
    if examples is None:
        return {}
    return {**examples.counts, "known": not is_foretold(examples.digest)}


def _training(found: Foresight, settings: Settings) -> dict[str, Any]:
    rows = _first(found, TokenRows)
    if rows is None:
        return {}
    chosen = _first(found, ChosenRows)
    taught = rows.counts.get("train", 0)
    mine = chosen.counts["train"] if chosen and not chosen.unfit else taught
    share = mine / max(taught, 1)
    steps, known = count_steps(rows, settings.training, settings.workspace, share)
    return {
        "rows": mine,
        "tokens": round(share * trained_tokens(rows, settings.training)),
        "steps": steps,
        "known": known,
    }


def _memory(
    found: Foresight,
    settings: Settings,
    asked: ModelSettings,
    others: Iterable[str],
    forecaster: Forecaster | None,
) -> list[dict[str, Any]]:
    """Foresee what a training needs, if there is one, and its base is here to look at; of each device what `asked` means there."""
    base, rows = _first(found, BaseModel), _first(found, TokenRows)
    trains = any(one.name == TRAINING and one.fate != "cached" for one in found.steps)
    if forecaster is None or base is None or rows is None or not trains:
        return []
    training = next(one for one in found.steps if one.name == TRAINING)
    longest, share = _shape(rows, settings)
    known = remembered(found.past(settings.workspace, TRAINING), training.inputs, longest, share)
    if known and not others:
        return known
    folder = base.folder(settings.workspace)
    if not folder.exists():
        return [{"device": "this machine", "problem": "it is known once the base is here"}]
    chapter = (asked, settings.lora, settings.training)
    weights = count_weights(folder) if asked.quantization == "auto" else 0
    return forecaster.ask(chapter, folder, weights, longest, 1.0 if share is None else share, others)


def _shape(rows: TokenRows, settings: Settings) -> tuple[int, float | None]:
    """Give the tokens of the longest row, and the largest share of a row that is learned; of rows that are only foreseen, the limit and None."""
    file = rows.folder(settings.workspace) / TRAIN
    return (longest_row(file), largest_share(file)) if file.exists() else (settings.tokens.max_length, None)


def _first(found: Foresight, kind: type[R]) -> R | None:
    return next((one for one in found.receipts if isinstance(one, kind)), None)
