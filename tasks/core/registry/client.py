"""The registry: our only words with MLflow, for tracking and for model versions.

Runs are addressed by id (the active run of MLflow is thread-local), versions by aliases and tags (never stages).
"""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from tasks.core.errors import Refused, ServiceError
from tasks.core.registry.lineage import CONTENT_KEY, TRAINING_KEY
from tasks.core.registry.own_database import make_database
from tasks.core.registry.relocation import follow_workspace

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
NOTE = "mlflow.note.content"
WATCHED = 5  # seconds between two looks at the machine
NO_TIMES: Mapping[int, float] = MappingProxyType({})
BATCH, PARAMS_BATCH, VALUE_LENGTH = 500, 100, 6000
PERMANENT = {
    "INVALID_PARAMETER_VALUE": "Check registry.name and registry.experiment.",
    "PERMISSION_DENIED": "Check the rights of MLFLOW_TRACKING_USERNAME.",
    "UNAUTHENTICATED": "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    "RESOURCE_DOES_NOT_EXIST": "Something was deleted there; restore it, or move the champion alias away from it.",
}


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    name: str
    version: int
    run_id: str
    created: float
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def open_registry(workspace: Path) -> "Registry":
    """Open the registry that the environment names (`MLFLOW_TRACKING_URI`), or the workspace's own."""
    folder = (workspace / "mlflow").absolute()
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Registry(uri or f"sqlite:///{folder}/mlflow.db", "" if uri else f"{folder}/artifacts")


class Registry:
    """One MLflow server or database; every failure to reach it is a `ServiceError`, which a retry may help.

    `artifact_root` is where a workspace's own database keeps its files; empty leaves that to the server.
    """

    def __init__(self, tracking_uri: str, artifact_root: str) -> None:
        self.tracking_uri = tracking_uri
        self.artifact_root = artifact_root
        self.where = _without_credentials(tracking_uri)
        quiet()
        with self._speaking():
            from mlflow import MlflowClient

            if artifact_root:
                make_database(Path(tracking_uri.removeprefix("sqlite:///")), artifact_root)
                follow_workspace(Path(tracking_uri.removeprefix("sqlite:///")), Path(artifact_root))
            self.client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)

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
        1970. A run of the same content is gone on with, and so is that of its training, which has no content yet.
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

    def register(self, name: str, run_id: str, place: str, tags: Mapping[str, str], description: str) -> int:
        """Register the model that a run holds under `place`; content that is registered already keeps its version."""
        known = self.find_content(name, tags[CONTENT_KEY])
        if known:
            return known.version
        self.make_model(name)
        with self._speaking():
            source = f"{self.client.get_run(run_id).info.artifact_uri}/{place}"
            made = self.client.create_model_version(
                name, source, run_id, tags=dict(tags), description=description
            )
        return int(made.version)

    def find_content(self, name: str, content_key: str) -> Version | None:
        """Find the version with a content key."""
        found = [version for version in self.versions(name) if version.tags.get(CONTENT_KEY) == content_key]
        return found[0] if found else None

    def versions(self, name: str) -> list[Version]:
        """List the versions of a model, newest first; a model that is not there has none."""
        with self._speaking():
            if self._model(name) is None:
                return []
            numbers = [int(found.version) for found in self._pages(name)]
            return [self._version(name, number) for number in sorted(numbers, reverse=True)]

    def version(self, name: str, number: int) -> Version | None:
        """Find one version."""
        return next((version for version in self.versions(name) if version.version == number), None)

    def champion(self, name: str) -> Version | None:
        """Find the version that the `champion` alias is on."""
        with self._speaking():
            model = self._model(name)
            number = model.aliases.get(CHAMPION) if model else None
            return self._version(name, int(number)) if number else None

    def aliases(self, name: str) -> dict[str, int]:
        """Give the aliases of a model, each with its version."""
        with self._speaking():
            model = self._model(name)
            return {alias: int(number) for alias, number in model.aliases.items()} if model else {}

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Move an alias to a version, in one step."""
        with self._speaking():
            self.client.set_registered_model_alias(name, alias, str(number))

    def drop_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        with self._speaking():
            self.client.delete_registered_model_alias(name, alias)

    def tag_version(self, name: str, number: int, tags: Mapping[str, str]) -> None:
        """Tag a version."""
        with self._speaking():
            for key, value in tags.items():
                self.client.set_model_version_tag(name, str(number), key, value)

    def tag_model(self, name: str, key: str, value: str) -> None:
        """Tag a registered model."""
        with self._speaking():
            self.client.set_registered_model_tag(name, key, value)

    def model_tags(self, name: str) -> dict[str, str]:
        """Give the tags of a registered model; one that is not there has none."""
        with self._speaking():
            model = self._model(name)
            return dict(model.tags) if model else {}

    def make_model(self, name: str) -> bool:
        """Make a registered model without versions; say whether it was not there already."""
        from mlflow.exceptions import MlflowException

        with self._speaking():
            try:
                self.client.create_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                return False
        return True

    def made_at(self, name: str) -> float:
        """Say when a registered model was made, in seconds since 1970; 0 for one that is not there."""
        with self._speaking():
            model = self._model(name)
            return model.creation_timestamp / 1000 if model else 0.0

    def drop_model(self, name: str) -> None:
        """Delete a registered model, if it is there."""
        with self._speaking():
            if self._model(name):
                self.client.delete_registered_model(name)

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
        for key in (CONTENT_KEY, TRAINING_KEY):
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

    def _model(self, name: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _pages(self, name: str) -> Iterator[Any]:
        quoted = name.replace("'", "\\'")
        token = None
        while True:
            page = self.client.search_model_versions(f"name='{quoted}'", max_results=200, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _version(self, name: str, number: int) -> Version:
        found = self.client.get_model_version(name, str(number))
        return Version(
            name=name,
            version=number,
            run_id=str(found.run_id or ""),
            created=found.creation_timestamp / 1000,
            aliases=tuple(found.aliases or ()),
            tags=dict(found.tags or {}),
        )

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn whatever MLflow raises into one sentence that names the address without its credentials.

        Raises `Refused` for what MLflow would say again, `ServiceError` for the rest.
        """
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, RequestException, SQLAlchemyError, sqlite3.Error, ConnectionError) as error:
            code = getattr(error, "error_code", "")
            said = f"{type(error).__name__}{f' {code}' if code else ''}"
            if code in PERMANENT:
                raise Refused(f"MLflow at {self.where} refused ({said}).", cure=PERMANENT[code]) from error
            raise ServiceError(
                f"MLflow at {self.where} did not do what was asked ({said}).",
                cure="Check that it runs and that MLFLOW_TRACKING_URI is right; what is done so far is kept.",
            ) from error


def quiet() -> None:
    """Set what MLflow reads from the environment, before it is imported, and silence its migrations."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # its import resets the level of its loggers
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if parts.netloc else uri
