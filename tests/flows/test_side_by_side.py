"""Side by side: results and the journal are in the order of the items, and an error ends it without losing a word."""

import time

import pytest

from flows.side_by_side import side_by_side
from tasks.core.errors import DataError
from tasks.journal import JOURNAL, Journal, StepRun, journal


@pytest.fixture
def followed() -> Journal:
    own = Journal()
    JOURNAL.set(own)
    return own


def noted(seconds: float) -> float:
    """Work that takes a while, and says so."""
    time.sleep(seconds)
    journal().add(StepRun(f"{seconds}", "Completed", cached=False, seconds=seconds))
    return seconds


def test_order_is_that_of_the_items_whoever_ends_first(followed: Journal) -> None:
    told: list[str] = []
    followed.on_step = lambda step: told.append(step.name)
    waits = [0.3, 0.0, 0.01, 0.02]
    assert side_by_side(noted, waits) == waits
    assert [step.name for step in followed.steps] == [f"{wait}" for wait in waits]
    assert told[-1] == "0.3"  # whoever watches hears of it when it happens


def test_an_error_is_raised_and_what_was_found_out_is_kept(followed: Journal) -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        journal().warnings.append(f"{item}")
        if item == 0:
            raise DataError("It is broken.", cure="Mend it.")
        time.sleep(0.2)

    with pytest.raises(DataError, match="is broken"):
        side_by_side(work, range(50))
    assert followed.warnings == [f"{item}" for item in sorted(begun)]
    assert len(begun) < 5


def test_what_is_known_of_the_data_is_shared(followed: Journal) -> None:
    side_by_side(lambda name: journal().parts.update({name: "part"}), ["a", "b"])
    assert followed.parts == {"a": "part", "b": "part"}
