"""Outcomes: how a conversation ended, as the log says it, and what that weighs in training."""

from collections.abc import Mapping
from math import log2
from typing import Any, TypedDict

from tasks.core.intake.shapes import Shape
from tasks.core.intake.values import number_of, truth_of
from tasks.core.intake.well_known import SOLVED, UNSOLVED
from tasks.core.settings import Outcome


class Ending(TypedDict):
    """How a conversation ended; None is not known."""

    solved: bool | None
    votes: float | None
    csat: float | None
    reopened: bool | None


UNKNOWN: Ending = {"solved": None, "votes": None, "csat": None, "reopened": None}


def outcome_of(turn: Mapping[str, Any], record: Mapping[str, Any], shape: Shape) -> Ending:
    """Read how a conversation ended, from the turn where it has the column, else from its record.

    Flags are true for true, for a number above 0 and for `true t yes y 1 on`; solved also for `SOLVED`, and
    reopened for `reopened`. Votes and satisfaction are finite numbers, also as text. Anything else is not known.
    """
    if not (shape.solved or shape.votes or shape.csat or shape.reopened):
        return UNKNOWN.copy()

    def value(column: str) -> Any:
        return turn[column] if column in turn else record.get(column)

    return {
        "solved": truth_of(value(shape.solved), SOLVED, UNSOLVED) if shape.solved else None,
        "votes": number_of(value(shape.votes)) if shape.votes else None,
        "csat": number_of(value(shape.csat)) if shape.csat else None,
        "reopened": truth_of(value(shape.reopened), ("reopened",)) if shape.reopened else None,
    }


def weight_of(row: Mapping[str, Any], outcome: Outcome) -> float:
    """Weigh a row in training: solved ones by their weight, and more for each doubling of (votes + 1)."""
    solved = outcome.solved_weight if row["solved"] else 1.0
    return float(solved * (1.0 + outcome.vote_weight * log2(1.0 + max(row["votes"] or 0.0, 0.0))))
