"""A glance at the registry: versions and aliases read straight from a workspace's own database, in milliseconds.

MLflow's client takes seconds to import. Only the tables of versions are read, and nothing is ever written.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tasks.core.errors import ServiceError
from tasks.core.operating.addresses import read_addresses
from tasks.core.registry.client import CHAMPION, Registry, Version, named_uri, open_registry, own_database

VERSIONS = "SELECT version, run_id, creation_time FROM model_versions WHERE name = ? AND current_stage != 'Deleted_Internal'"
TAGS = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"


def read_registry(workspace: Path) -> "Registry | Glance":
    """Open the registry for reading: a workspace's own by a glance at its file, any other by MLflow's client."""
    place, served = own_database(workspace), read_addresses(workspace)
    elsewhere = named_uri(workspace) or (served and served.mlflow_database)
    return Glance(place) if place.exists() and not elsewhere else open_registry(workspace)


class Glance:
    """The versions of one database file, as they are now."""

    def __init__(self, place: Path) -> None:
        self.place = place.absolute()

    def versions(self, name: str) -> list[Version]:
        """List the versions of a model, newest first; a model that is not there has none."""
        with self._reading() as database:
            aliases = database.execute(ALIASES, (name,)).fetchall()
            found = database.execute(VERSIONS, (name,)).fetchall()
            return [
                Version(
                    name=name,
                    version=int(number),
                    run_id=run or "",
                    created=created / 1000,
                    aliases=tuple(alias for alias, where in aliases if int(where) == int(number)),
                    tags=dict(database.execute(TAGS, (name, number)).fetchall()),
                )
                for number, run, created in sorted(found, reverse=True)
            ]

    def version(self, name: str, number: int) -> Version | None:
        """Find one version."""
        return next((one for one in self.versions(name) if one.version == number), None)

    def champion(self, name: str) -> Version | None:
        """Find the version that the `champion` alias is on."""
        return next((one for one in self.versions(name) if CHAMPION in one.aliases), None)

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        try:
            with closing(sqlite3.connect(f"{self.place.as_uri()}?mode=ro", uri=True)) as database:
                yield database
        except sqlite3.Error as error:
            raise ServiceError(
                f"The registry at {self.place} could not be read ({type(error).__name__}).",
                cure="Check that the file is whole and can be read; what is done so far is kept.",
            ) from error
