"""A sweep: the data is prepared once, settings are tried on it, and the best go the way of every training."""

import time
from functools import partial
from typing import Any

from prefect import flow

from flows.environment import here
from flows.recorded_runs import begin, ended, judge_and_publish, run_name, settled, with_base
from flows.train_adapter import TrainedAdapter, TrainingGround, prepare_training, train_on
from tasks.core.errors import FreshtuneError, Stopped
from tasks.core.receipts import Adapter
from tasks.core.settings import Settings
from tasks.core.sweeping.space import (
    few_words,
    for_trials,
    own_point,
    space_of,
    space_words,
    sweep_key,
    watched_words,
    with_point,
    words_of,
)
from tasks.core.sweeping.study import Study
from tasks.journal import journal
from tasks.reporting import recorded
from tasks.sweep_tracking import Tried, end_sweep, send_sweep, trial_run
from tasks.tracking import tracked_as
from tasks.trial_choice import choose_trial
from tasks.trials import try_point


@flow(name="sweep", flow_run_name=run_name, persist_result=False)
def sweep(settings: Settings) -> dict[str, Any]:
    """Try settings on the training rows, then train, judge and publish with the best; give the run's public figures."""
    settings = settled(here(settings))
    with recorded(settings) as run:
        begun = begin(settings)
        base, settings = with_base(begun, settings)
        ground = prepare_training(begun.data, base, for_trials(settings))
        run.settings = settings = find_settings(ground, settings)
        judge_and_publish(begun, _train(ground, settings), settings)
    return ended(run.outcome)


def find_settings(ground: TrainingGround, settings: Settings) -> Settings:
    """Give the settings with the values of the trial that did best on rows taken out of the training rows.

    The held-out rows stay unseen. Raises `ModelError` when no trial could be trained.
    """
    began, space = time.time(), space_of(settings)
    place, registry = settings.workspace, settings.registry
    key = sweep_key(ground.key, ground.held.digest, for_trials(settings))
    try:
        tried = _try(ground, settings, key)
        chosen = choose_trial(place, ground.rows, tuple(one.trial for one in tried))
    except (FreshtuneError, KeyboardInterrupt) as error:
        failed = isinstance(error, FreshtuneError) and not isinstance(error, Stopped)
        end_sweep(place, registry, key, "FAILED" if failed else "KILLED", began)
        raise
    send_sweep(place, registry, key, space_words(space), tried, chosen, began)
    best = next(one for one in chosen.trials if one.number == chosen.number)
    return with_point(settings, best.point)


def _try(ground: TrainingGround, settings: Settings, key: str) -> list[Tried]:
    """Try points until there are as many trials as the settings say, or nothing new is left."""
    space, mine = space_of(settings), for_trials(settings)
    study = Study(space, settings.training.seed, settings.sweep.startup, own_point(settings, space))
    if mine is not settings:
        journal().notes.append(watched_words(mine))
    tried = list[Tried]()
    while len(tried) < settings.sweep.trials:
        point = study.ask()
        if point is None:
            journal().notes.append(few_words(len(tried), settings))
            break
        number, chosen = len(tried) + 1, with_point(mine, point)
        run = trial_run(key, f"trial {number}: {words_of(point)}", point, chosen)
        tried.append(try_point(study, number, point, run, settings, partial(_adapter, ground, chosen)))
    return tried


def _adapter(ground: TrainingGround, settings: Settings) -> Adapter:
    return train_on(ground, settings).adapter


def _train(ground: TrainingGround, settings: Settings) -> TrainedAdapter:
    with tracked_as(settings.registry):
        return train_on(ground, settings)
