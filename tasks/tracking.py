"""Tracking: a training is followed in MLflow while it runs.

It never stops a training, nor makes it wait: what MLflow cannot take now, registration sends.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from tasks.core.errors import FreshtuneError, Stopped
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.lineage import CONTENT_KEY, TRAINING_KEY
from tasks.core.report.registry_texts import run_name, times_of, training_figures
from tasks.core.settings import RegistrySettings
from tasks.journal import journal
from tasks.sweep_tracking import TrialRun, open_trial

PACE = 1.0  # seconds between two sendings
PATIENCE = 10.0  # seconds that the end of a training waits for the last one
Metrics = Mapping[str, float]

Place = tuple[RegistrySettings, TrialRun | None]

_PLACE: ContextVar[Place | None] = ContextVar("freshtune_tracking", default=None)


@contextmanager
def tracked_as(registry: RegistrySettings, trial: TrialRun | None = None) -> Iterator[None]:
    """Let trainings in this context be followed in the experiment of `registry`, each as its own or as that of a trial."""
    token = _PLACE.set((registry, trial))
    try:
        yield
    finally:
        _PLACE.reset(token)


class Tracking:
    """One training in MLflow: `tell` it of each step, and it is sent by a thread of its own."""

    def __init__(
        self, workspace: Path, key: str, registry: RegistrySettings, trial: TrialRun | None = None
    ) -> None:
        self.workspace, self.key, self.registry, self.trial = workspace, key, registry, trial
        self.began = time.time()
        self.problem = self.cure = self.ended_as = ""
        self.given_up = False
        self.told: SimpleQueue[Metrics] = SimpleQueue()
        self.thread = Thread(target=self._follow, daemon=True)
        self.thread.start()

    @property
    def _later(self) -> str:
        return "the end of the sweep" if self.trial else "registration"

    def tell(self, metrics: Metrics) -> None:
        """Take the metrics of a step."""
        self.told.put(metrics)

    def end(self, status: str) -> None:
        """Send the rest, and close the run as `status`; registration adds to one that is closed."""
        self.ended_as = status
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            self.given_up = True
        if self.problem or self.given_up:
            journal().warn(
                f"The training could not be followed in MLflow to its end; {self._later} sends what is missing. "
                f"{self.problem or 'MLflow takes too long.'}",
                self.cure,
            )

    def _follow(self) -> None:
        """Send until the end; what fails is tried again, and never harms the training."""
        unsent = list[Metrics]()
        while not self.given_up:
            try:
                self._send(unsent)
            except FreshtuneError as error:
                self.problem, self.cure = error.message, error.cure
            except Exception as error:  # noqa: BLE001 - nothing of a thread's may be lost in silence
                self.problem, self.cure = f"({type(error).__name__})", ""
            else:
                self.problem = self.cure = ""
                return
            if self.ended_as:
                return
            time.sleep(PACE)

    def _send(self, unsent: list[Metrics]) -> None:
        client = open_registry(self.workspace)
        run = self._open(client)
        if client.run_tags(run).get(CONTENT_KEY):  # it is registered already, and its artifact was lost
            return
        client.reopen_run(run)
        with client.machine_watched(run):
            while not self.given_up and not (self.ended_as and self.told.empty() and not unsent):
                unsent += self._waiting()
                client.log_metrics(run, training_figures(unsent), times_of(unsent))
                unsent.clear()
        client.finish_run(run, self.ended_as)

    def _open(self, client: Registry) -> str:
        if self.trial:
            return open_trial(client, self.registry, self.trial, self.began)
        name = run_name(self.registry.name, self.began)
        return client.start_run(self.registry.experiment, name, {TRAINING_KEY: self.key}, began=self.began)

    def _waiting(self) -> list[Metrics]:
        """Give the steps of about one pace."""
        steps, until = list[Metrics](), time.monotonic() + PACE
        while (left := until - time.monotonic()) > 0 and not (self.ended_as and self.told.empty()):
            try:
                steps.append(self.told.get(timeout=min(left, PACE / 10)))
            except Empty:
                continue
        return steps


@contextmanager
def tracking(workspace: Path, key: str) -> Iterator[Tracking | None]:
    """Follow the training `key` where the context says that trainings are followed."""
    place = _PLACE.get()
    if place is None:
        yield None
        return
    followed = Tracking(workspace, key, *place)
    status = "FAILED"
    try:
        yield followed
        status = "FINISHED"
    except (Stopped, KeyboardInterrupt):
        status = "KILLED"
        raise
    finally:
        followed.end(status)
