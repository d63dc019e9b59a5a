"""The connection: where MLflow is, and what it says when something fails, in one sentence without credentials."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tasks.core.errors import Refused, ServiceError
from tasks.core.registry.own_database import make_database
from tasks.core.registry.relocation import follow_workspace

FILE = "sqlite:///"
PERMANENT = {
    "INVALID_PARAMETER_VALUE": "Check registry.name and registry.experiment.",
    "PERMISSION_DENIED": "Check the rights of MLFLOW_TRACKING_USERNAME.",
    "UNAUTHENTICATED": "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    "RESOURCE_DOES_NOT_EXIST": "Something was deleted there; restore it, or move the champion alias away from it.",
}


class Connection:
    """One MLflow server or database; every failure to reach it is a `ServiceError`, which a retry may help.

    `artifact_root` is where a workspace's own database, or its own server, keeps files; empty leaves that to the server.
    """

    def __init__(self, tracking_uri: str, artifact_root: str) -> None:
        self.tracking_uri = tracking_uri
        self.artifact_root = artifact_root
        self.where = without_credentials(tracking_uri)
        quiet()
        with self._speaking():
            from mlflow import MlflowClient

            if artifact_root and tracking_uri.startswith(FILE):
                make_database(Path(tracking_uri.removeprefix(FILE)), artifact_root)
                follow_workspace(Path(tracking_uri.removeprefix(FILE)), Path(artifact_root))
            self.client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)

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
            silent = isinstance(error.__context__, RequestException)  # the client hides that nobody was there
            problem = "does not answer" if silent else "did not do what was asked"
            raise ServiceError(
                f"MLflow at {self.where} {problem} ({said}).",
                cure="Check that it runs and that MLFLOW_TRACKING_URI is right; what is done so far is kept.",
            ) from error


def quiet() -> None:
    """Set what MLflow reads from the environment, before it is imported, and silence its migrations."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault(
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"
    )  # into the midst of a run's own lines
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # its import resets the level of its loggers
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def without_credentials(uri: str) -> str:
    """Give an address without the user and the password in it."""
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if parts.netloc else uri
