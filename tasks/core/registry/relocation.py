"""Relocation: MLflow's database holds absolute paths, so those of a workspace that was moved or copied are rewritten."""

import sqlite3
from contextlib import closing
from pathlib import Path

PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def follow_workspace(database: Path, artifacts: Path) -> None:
    """Let every place that was inside the workspace's artifacts be inside `artifacts`, where they are now.

    Only experiments that lie in a workspace's `mlflow/artifacts` are ours; others are left alone.
    """
    if not database.exists():
        return
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        for old in _former_places(connection, artifacts) if "experiments" in tables else ():
            for table, column in PLACES:
                if table in tables:
                    _move(connection, table, column, f"{old}/", f"{artifacts}/")


def _former_places(connection: sqlite3.Connection, artifacts: Path) -> set[str]:
    found = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    ours = [place.removesuffix(f"/{name}") for name, place in found if place and place.endswith(f"/{name}")]
    return {place for place in ours if place.endswith("/mlflow/artifacts") and place != str(artifacts)}


def _move(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> None:
    connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608 - our names
        (new, len(old) + 1, len(old), old),
    )
