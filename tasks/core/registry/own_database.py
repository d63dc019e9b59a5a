"""A workspace's own MLflow database: made aside and moved to its place whole, so that a kill leaves none or all of it."""

from pathlib import Path

from tasks.core.store.locks import exclusive


def make_database(place: Path, artifact_root: str) -> None:
    """Make an empty database at `place` if there is none; MLflow's many migrations are no transaction."""
    if place.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with exclusive(place.with_suffix(".lock")):
        if place.exists():  # another process was first
            return
        aside = place.with_suffix(".making")
        aside.unlink(missing_ok=True)
        SqlAlchemyStore(f"sqlite:///{aside}", artifact_root).engine.dispose()
        aside.rename(place)
