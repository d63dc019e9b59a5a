"""The MLflow server of a workspace behind the guard, as an app that `mlflow server --app-name freshtune` can run."""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from tasks.core.operating.guard import App, Guard

CREDENTIALS = "FRESHTUNE_CREDENTIALS"


def create_app() -> App:
    """Make MLflow's app with the guard before every route of it; the credentials come from the environment."""
    from mlflow.server.fastapi_app import app

    return Guard(app, os.environ[CREDENTIALS])


def answering_to(address: str) -> dict[str, str]:
    """Give the variables that let MLflow answer to the name that clients use; by itself it knows local and private ones only."""
    place = urlsplit(address)
    if _is_local(place.hostname or ""):
        return {}
    local = [name + port for name in ("localhost", "127.0.0.1") for port in ("", ":*")]
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join([*local, place.netloc]),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"{place.scheme}://{place.netloc}",
    }


def _is_local(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost"
