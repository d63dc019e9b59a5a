"""The MLflow server of a workspace behind the guard, as an app that `mlflow server --app-name freshtune` can run."""

import os

from tasks.core.operating.guard import App, Guard
from tasks.core.store.lifelines import die_with_parent

CREDENTIALS, PARENT = "FRESHTUNE_CREDENTIALS", "FRESHTUNE_MLFLOW_SERVER"


def create_app() -> App:
    """Make MLflow's app with the guard before every route of it; the credentials come from the environment.

    The process that serves it ends with `mlflow server`, which starts it: it would keep the port. The kernel tells of no death
    before it was asked, which is seconds after the start; so the environment names who is to be alive.
    """
    die_with_parent()
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        os._exit(1)
    from mlflow.server.fastapi_app import app

    return Guard(app, os.environ[CREDENTIALS])
