"""The MLflow server of a workspace behind the guard, as an app that `mlflow server --app-name freshtune` can run."""

import os

from tasks.core.operating.guard import App, Guard
from tasks.core.store.lifelines import die_with_parent

CREDENTIALS = "FRESHTUNE_CREDENTIALS"


def create_app() -> App:
    """Make MLflow's app with the guard before every route of it; the credentials come from the environment.

    The process that serves it ends with `mlflow server`, which starts it: it would keep the port.
    """
    die_with_parent()
    from mlflow.server.fastapi_app import app

    return Guard(app, os.environ[CREDENTIALS])
