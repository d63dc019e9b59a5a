"""The registry: our only words with MLflow, for tracking and for model versions.

Versions are addressed by aliases and tags, never by stages.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tasks.core.errors import ServiceError
from tasks.core.operating.addresses import read_addresses
from tasks.core.registry.connection import without_credentials
from tasks.core.registry.lineage import CONTENT_KEY
from tasks.core.registry.runs import Runs

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


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
    """Open the registry that the environment names (`MLFLOW_TRACKING_URI`), or the workspace's own.

    Raises `ServiceError` where the workspace's own is at a database server that only its services know.
    """
    folder = (workspace / "mlflow").absolute()
    if folder.is_symlink():  # its database says where it lies: there
        folder = folder.parent / folder.readlink()
    uri, served = os.environ.get("MLFLOW_TRACKING_URI", ""), read_addresses(workspace)
    if not uri and served and served.mlflow_database:
        raise ServiceError(
            f"The registry of {workspace} is in a database elsewhere, and its server is down.",
            cure="Say `freshtune up`, or name a server with MLFLOW_TRACKING_URI.",
        )
    if not uri:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Registry(
        uri or f"sqlite:///{folder}/mlflow.db",
        f"{folder}/artifacts" if not uri or (served and uri == served.mlflow) else "",
    )


def own_database(workspace: Path) -> Path:
    """Give the place of a workspace's own MLflow database."""
    return workspace / "mlflow" / "mlflow.db"


def named_uri(workspace: Path) -> str:
    """Give the address of a registry elsewhere that the environment names; empty where it is the workspace's own file.

    The server of `freshtune up` has that same file, unless its database is elsewhere.
    """
    uri, served = os.environ.get("MLFLOW_TRACKING_URI", ""), read_addresses(workspace)
    ours = served is not None and not served.mlflow_database and uri == served.mlflow
    return "" if ours else uri


def version_page(name: str, version: int) -> str:
    """Give the address of a version's page in the MLflow server that the environment names; empty without one.

    Where people come to it by another address than programs, that is `FRESHTUNE_MLFLOW_PAGES`.
    """
    uri = os.environ.get("FRESHTUNE_MLFLOW_PAGES") or os.environ.get("MLFLOW_TRACKING_URI", "")
    page = f"{without_credentials(uri).rstrip('/')}/#/models/{quote(name, safe='')}/versions/{version}"
    return page if uri.startswith(("http://", "https://")) else ""


def has_registry(workspace: Path) -> bool:
    """Say whether a registry is there or named, without making one."""
    served = read_addresses(workspace)
    elsewhere = named_uri(workspace) or (served and served.mlflow_database)
    return bool(elsewhere) or own_database(workspace).exists()


class Registry(Runs):
    """The registered models of one MLflow server or database, and its runs."""

    def register(self, name: str, run_id: str, place: str, tags: Mapping[str, str], description: str) -> int:
        """Register the model that a run holds under `place`; content that is registered already keeps its version.

        Where MLflow made one before, whose answer was lost, or for another at the same time, this one is taken away again.
        """
        known = self.find_content(name, tags[CONTENT_KEY])
        if known:
            return known.version
        self.make_model(name)
        with self._speaking():
            source = f"{self.client.get_run(run_id).info.artifact_uri}/{place}"
            made = self.client.create_model_version(
                name, source, run_id, tags=dict(tags), description=description
            )
        first = self.find_content(name, tags[CONTENT_KEY])
        if first is None or first.version == int(made.version):
            return int(made.version)
        self._drop_version(name, int(made.version))
        return first.version

    def find_content(self, name: str, content_key: str) -> Version | None:
        """Find the version with a content key, the first of several."""
        found = [version for version in self.versions(name) if version.tags.get(CONTENT_KEY) == content_key]
        return found[-1] if found else None

    def versions(self, name: str) -> list[Version]:
        """List the versions of a model, newest first; a model that is not there has none."""
        with self._speaking():
            if self._model(name) is None:
                return []
            numbers = [int(found.version) for found in self._pages(name)]
            return [self._version(name, number) for number in sorted(numbers, reverse=True)]

    def model_names(self) -> list[str]:
        """Name every registered model."""
        names, token = list[str](), None
        with self._speaking():
            while True:
                page = self.client.search_registered_models(max_results=100, page_token=token)
                names += [model.name for model in page]
                token = page.token
                if not token:
                    return sorted(names)

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

    def _drop_version(self, name: str, number: int) -> None:
        with self._speaking():
            self.client.delete_model_version(name, str(number))

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
