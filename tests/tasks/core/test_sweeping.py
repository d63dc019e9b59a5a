"""A sweep's space and study: what is tried, in what order, and that a start again is led to where it was."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.core.settings import (
    EpochRange,
    LoraSettings,
    ModelSettings,
    RankRange,
    RateRange,
    Settings,
    SweepSettings,
    TrainingSettings,
)
from tasks.core.sweeping.space import (
    Point,
    for_trials,
    own_point,
    points_of,
    space_of,
    space_words,
    sweep_key,
    tried_words,
    with_point,
    words_of,
)
from tasks.core.sweeping.study import Study

SETTINGS = Settings()
SPACE = space_of(SETTINGS)
SMALL = space_of(
    Settings(
        sweep=SweepSettings(
            rank=(4, 8),
            learning_rate=(1e-4, 1e-3),
            targets=(("q_proj", "v_proj"),),
            epochs=(1.0,),
        )
    )
)
Ending = Callable[[Study, int, Point], None]


def badness(point: Point) -> float:
    """Be lowest at a rate of 1e-3 and a rank of 32."""
    return abs(point["training.learning_rate"] - 1e-3) * 1e3 + 8 / point["lora.rank"]


def complete(study: Study, _number: int, point: Point) -> None:
    study.look(10, badness(point))
    study.complete(badness(point))


def mixed(study: Study, number: int, point: Point) -> None:
    if number % 4 == 3:
        study.give_up()
        return
    if not study.look(10, badness(point)):
        study.look(20, badness(point))
        study.complete(badness(point))
        return
    study.give_up()


def points(count: int, seed: int = 0, end: Ending = complete, startup: int = 4) -> list[Point]:
    study, asked = Study(SPACE, seed, startup, own_point(SETTINGS, SPACE)), list[Point]()
    for number in range(count):
        point = study.ask()
        assert point is not None
        asked.append(point)
        end(study, number, point)
    return asked


@pytest.mark.parametrize("end", [complete, mixed])
def test_the_same_seed_and_the_same_losses_lead_to_the_same_trials(end: Ending) -> None:
    whole = points(14, end=end)
    assert points(14, end=end) == whole
    assert points(9, end=end) == whole[:9]
    assert points(14, seed=1, end=end) != whole


def test_what_was_learned_decides_after_the_first_trials() -> None:
    def other(study: Study, _number: int, point: Point) -> None:
        study.complete(-badness(point))

    first, second = points(12), points(12, end=other)
    assert first[:4] == second[:4]
    assert first[4:] != second[4:]


def test_the_recipes_own_settings_are_first_where_they_are_among_the_choices() -> None:
    assert points(1) == [
        {
            "lora.rank": 16,
            "training.learning_rate": 2e-4,
            "lora.targets": ("all-linear",),
            "training.epochs": 3.0,
        }
    ]
    far = Settings(training=TrainingSettings(learning_rate=0.1))
    assert own_point(far, space_of(far)) is None


def test_trials_that_go_on_from_a_champion_have_its_adapters_shape() -> None:
    warm = Settings(training=TrainingSettings(start="champion"))
    assert set(space_of(warm)) == {"training.learning_rate", "training.epochs"}
    assert own_point(warm, space_of(warm)) == {"training.learning_rate": 2e-4, "training.epochs": 3.0}


def test_no_point_is_tried_twice_and_a_small_space_comes_to_its_end() -> None:
    counted = points_of(SMALL)
    assert counted is not None
    assert points_of(SPACE) is None
    study, asked = Study(SMALL, 0, 2), list[Point]()
    while (point := study.ask()) is not None:
        asked.append(point)
        study.complete(float(len(asked)))
    assert len(asked) == 4
    assert sorted(map(words_of, asked)) == sorted(map(words_of, counted))


def test_drawn_numbers_are_short_and_within_their_ranges() -> None:
    sweep = SweepSettings(
        rank=RankRange(low=4, high=64),
        learning_rate=RateRange(low=1.2345e-4, high=1.2399e-4),
        epochs=EpochRange(low=0.5, high=4),
    )
    study = Study(space_of(Settings(sweep=sweep)), 0, 100)
    for _ in range(30):
        point = study.ask()
        assert point is not None
        assert isinstance(point["lora.rank"], int)
        assert 4 <= point["lora.rank"] <= 64
        assert 1.2345e-4 <= point["training.learning_rate"] <= 1.2399e-4
        assert 0.5 <= point["training.epochs"] <= 4
        assert len(f"{point['training.epochs']:g}".replace(".", "").lstrip("0")) <= 3
        study.complete(1.0)


def test_a_trial_is_worse_only_beyond_the_median_of_enough_complete_ones() -> None:
    study = Study(SPACE, 0, 3)
    for loss in (1.0, 2.0):
        study.ask()
        assert not study.look(10, loss)
        study.complete(loss)
    study.ask()
    assert not study.look(10, 9.0), "two complete ones are not enough"
    study.complete(3.0)
    study.ask()
    assert not study.look(5, 99.0), "nobody was looked at there"
    assert study.look(10, 9.0)
    study.give_up()
    study.ask()
    assert not study.look(10, 1.5)


def test_a_point_changes_its_four_settings_and_no_other() -> None:
    lists = {"lora.targets": ["q_proj", "v_proj"], "lora.rank": 4}  # as a stored receipt has them
    changed = with_point(SETTINGS, {**lists, "training.learning_rate": 1e-3, "training.epochs": 1.0})
    assert changed.lora == SETTINGS.lora.model_copy(update={"rank": 4, "targets": ("q_proj", "v_proj")})
    assert changed.training == SETTINGS.training.model_copy(update={"learning_rate": 1e-3, "epochs": 1.0})
    assert with_point(SETTINGS, {}) == SETTINGS
    own = own_point(SETTINGS, SPACE)
    assert own is not None
    assert with_point(SETTINGS, own).training.in_key() == SETTINGS.training.in_key()


def test_trials_watch_a_tenth_only_where_nothing_else_is_set() -> None:
    patient = Settings(training=TrainingSettings(patience=3))
    assert for_trials(patient).training.validation == 0.1
    assert for_trials(patient).training.patience == 0, "the final training has no patience either"
    watched = Settings(training=TrainingSettings(validation=0.2, patience=3))
    assert for_trials(watched) is watched


@pytest.mark.parametrize(("method", "tried"), [("full", 2), ("prompt", 2), ("dora", 4)])
def test_what_the_method_does_not_use_is_not_tried(method: Any, tried: int) -> None:
    assert len(space_of(Settings.model_construct(lora=LoraSettings(method=method)))) == tried


def test_a_sweep_is_the_same_with_more_trials_and_another_with_other_choices() -> None:
    def key(**changes: Any) -> str:
        return sweep_key("rows", "base", Settings(sweep=SweepSettings(**changes)))

    assert key(trials=3) == key(trials=30)
    assert key() != key(rank=(8,))
    assert key() != sweep_key("other rows", "base", SETTINGS)
    moved = Settings(model=ModelSettings(base="/elsewhere/base"))
    assert key() == sweep_key("rows", "base", moved), "what the base is, its digest says"
    seeded = Settings(training=TrainingSettings(seed=1))
    assert key() != sweep_key("rows", "base", seeded)


def test_points_and_spaces_are_worded() -> None:
    point = {"lora.rank": 16, "training.learning_rate": 2e-4, "lora.targets": ("q_proj", "v_proj")}
    assert words_of({**point, "training.epochs": 1.0}) == "rank 16, rate 2e-4, q_proj + v_proj, 1 epoch"
    assert words_of({"training.learning_rate": 1.53e-3, "training.epochs": 1.5}) == "rate 1.53e-3, 1.5 epochs"
    assert [tried_words(name, value) for name, value in point.items()] == ["16", "2e-4", "q_proj + v_proj"]
    assert space_words(SPACE) == {
        "lora.rank": "8, 16, 32",
        "training.learning_rate": "5e-05 to 0.005",
        "lora.targets": "all-linear, attention",
        "training.epochs": "1, 2, 3",
    }


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rank": [0]}, "greater than or equal to 1"),
        ({"rank": []}, "at least 1 item"),
        ({"rank": {"low": 4}}, "Field required"),
        ({"learning_rate": {"low": 0.1, "high": 0.01}}, "low must be lower"),
        ({"learning_rate": [1.5]}, "less than 1"),
        ({"targets": [[]]}, "at least 1 item"),
        ({"trials": 0}, "greater than or equal to 1"),
        ({"epochs": {"low": 1, "high": 4, "step": 1}}, "Extra inputs"),
    ],
)
def test_what_cannot_be_tried_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SweepSettings.model_validate(wrong)


def test_a_sweeps_settings_are_read_back_as_they_were() -> None:
    sweep = SweepSettings(rank=RankRange(low=4, high=64), epochs=(1.0,))
    assert SweepSettings.model_validate(sweep.model_dump(mode="json")) == sweep
