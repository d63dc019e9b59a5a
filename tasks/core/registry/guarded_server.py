"""The MLflow server of a workspace behind the guard, as an app that `mlflow server --app-name freshtune` can run."""

import os

from tasks.core.operating.guard import App, Guard

CREDENTIALS = "FRESHTUNE_CREDENTIALS"


def create_app() -> App:
    """Make MLflow's app with the guard before every route of it; the credentials come from the environment."""
    from mlflow.server.fastapi_app import app

    return Guard(app, os.environ[CREDENTIALS])
