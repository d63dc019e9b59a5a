"""Runs: what MLflow tracks of a training, its figures and its files; addressed by id, for MLflow's active run is thread-local."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from tasks.core.registry.connection import Connection
from tasks.core.registry.lineage import CONTENT_KEY, SWEEP_KEY, TRAINING_KEY, TRIAL_KEY

NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"  # by which MLflow shows a run under another one
KEYS = (CONTENT_KEY, TRAINING_KEY, TRIAL_KEY, SWEEP_KEY)
WATCHED = 5  # seconds between two looks at the machine
NO_TIMES: Mapping[int, float] = MappingProxyType({})
BATCH, PARAMS_BATCH, VALUE_LENGTH = 500, 100, 6000


class Runs(Connection):
    """The runs of one MLflow server or database."""

    def start_run(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        *,
        note: str = "",
        began: float | None = None,
    ) -> str:
        """Open a run in an experiment, which is made when it is not there, and give its id.

        `note` is what MLflow shows as its description, `began` when the work began, in seconds since
        1970. A run of the same content is gone on with, and so is that of its training, which has no content yet, and that
        of the same trial or sweep.
        """
        with self._speaking():
            found = self.client.get_experiment_by_name(experiment)
            number = found.experiment_id if found else self._make_experiment(experiment)
            known = self._known_run(number, tags)
            told = {**tags, **({NOTE: note} if note else {})}
            if known is None:
                known = self._create_run(number, name, told, began)
            elif CONTENT_KEY in tags and CONTENT_KEY not in known.data.tags:
                for key, value in told.items():
                    self.client.set_tag(known.info.run_id, key, value)
        return str(known.info.run_id)

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters; values longer than MLflow takes are cut."""
        from mlflow.entities import Param

        entities = [Param(name, str(value)[:VALUE_LENGTH]) for name, value in sorted(params.items())]
        with self._speaking():
            for start in range(0, len(entities), PARAMS_BATCH):
                self.client.log_batch(run_id, params=entities[start : start + PARAMS_BATCH])

    def log_metrics(
        self, run_id: str, rows: Sequence[tuple[str, float, int]], times: Mapping[int, float] = NO_TIMES
    ) -> None:
        """Log metrics as (name, value, step), in batches: 500 at once cost as much as five alone.

        `times` says when a step was, in seconds since 1970; others are of now.
        """
        from mlflow.entities import Metric

        now = time.time()
        entities = [
            Metric(name, float(value), int(1000 * times.get(step, now)), step) for name, value, step in rows
        ]
        with self._speaking():
            for start in range(0, len(entities), BATCH):
                self.client.log_batch(run_id, metrics=entities[start : start + BATCH])

    def log_files(self, run_id: str, path: Path, place: str) -> None:
        """Log a file, or the files of a folder, under `place`."""
        with self._speaking():
            if path.is_dir():
                self.client.log_artifacts(run_id, str(path), place)
            else:
                self.client.log_artifact(run_id, str(path), place)

    def holds(self, run_id: str, place: str) -> bool:
        """Say whether a run has files under `place`."""
        with self._speaking():
            return bool(self.client.list_artifacts(run_id, place))

    def run_params(self, run_id: str) -> dict[str, str]:
        """Give the parameters of a run."""
        with self._speaking():
            return dict(self.client.get_run(run_id).data.params)

    def run_tags(self, run_id: str) -> dict[str, str]:
        """Give the tags of a run."""
        with self._speaking():
            return dict(self.client.get_run(run_id).data.tags)

    def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Tag a run."""
        with self._speaking():
            for key, value in tags.items():
                self.client.set_tag(run_id, key, value)

    def reopen_run(self, run_id: str) -> None:
        """Open a run again."""
        with self._speaking():
            self.client.update_run(run_id, status="RUNNING")

    def finish_run(self, run_id: str, status: str = "FINISHED") -> None:
        """Close a run as `FINISHED`, `FAILED` or `KILLED`."""
        with self._speaking():
            self.client.set_terminated(run_id, status)

    @contextmanager
    def machine_watched(self, run_id: str) -> Iterator[None]:
        """Let MLflow log what the machine does: processors, memory, disk, network and GPUs, every few seconds."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        with self._speaking():
            watch = SystemMetricsMonitor(
                run_id, sampling_interval=WATCHED, resume_logging=True, tracking_uri=self.tracking_uri
            )
            watch.start()
        try:
            yield
        finally:
            watch.finish()

    def at_hand(self, run_id: str, place: str, target: Path) -> Path:
        """Give a folder with what a run holds under `place`: where it lies on this machine, or a copy in `target`."""
        with self._speaking():
            address = urlsplit(f"{self.client.get_run(run_id).info.artifact_uri}/{place}")
        here = Path(address.path)
        return (
            here if address.scheme in {"", "file"} and here.exists() else self.download(run_id, place, target)
        )

    def download(self, run_id: str, place: str, target: Path) -> Path:
        """Download what a run holds under `place` into `target` and give its folder."""
        target.mkdir(parents=True, exist_ok=True)
        with self._speaking():
            return Path(self.client.download_artifacts(run_id, place, str(target)))

    def _known_run(self, experiment: str, tags: Mapping[str, str]) -> Any:
        for key in KEYS:
            same = f"tags.`{key}` = '{tags[key]}'" if key in tags else ""
            for run in self.client.search_runs([experiment], same) if same else ():
                # a training can end in several contents, such as a merge by newer libraries: each has its own run
                if key == CONTENT_KEY or not {CONTENT_KEY} <= set(tags) & set(run.data.tags):
                    return run
        return None

    def _create_run(self, experiment: str, name: str, tags: Mapping[str, str], began: float | None) -> Any:
        start = int(1000 * began) if began else None
        return self.client.create_run(experiment, start_time=start, run_name=name, tags=dict(tags))

    def _make_experiment(self, name: str) -> str:
        place = f"{self.artifact_root}/{name}" if self.artifact_root else None
        return str(self.client.create_experiment(name, artifact_location=place))
