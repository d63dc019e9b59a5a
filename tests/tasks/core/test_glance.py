"""A glance at the registry's file says what MLflow's own client says."""

from pathlib import Path

import pytest

from tasks.core.errors import ServiceError
from tasks.core.registry.client import CHAMPION, has_registry, open_registry
from tasks.core.registry.glance import Glance, read_registry
from tasks.core.registry.lineage import CONTENT_KEY

NAME = "support-assistant"


def test_versions_aliases_and_tags_are_those_of_the_client(tmp_path: Path) -> None:
    assert not has_registry(tmp_path)
    assert not any(tmp_path.iterdir())
    client = open_registry(tmp_path)
    run = client.start_run("experiment", "a run", {}, began=1.0)
    numbers = [
        client.register(NAME, run, "model", {CONTENT_KEY: key, "of": f"{key}'s"}, "text") for key in "abc"
    ]
    client.set_alias(NAME, CHAMPION, numbers[1])
    client.set_alias(NAME, "previous", numbers[1])
    client._drop_version(NAME, numbers[2])

    glance = read_registry(tmp_path)
    assert isinstance(glance, Glance)
    assert has_registry(tmp_path)
    seen, told = glance.versions(NAME), client.versions(NAME)
    assert [(one.version, one.run_id, one.created, one.tags, set(one.aliases)) for one in seen] == [
        (one.version, one.run_id, one.created, one.tags, set(one.aliases)) for one in told
    ]
    assert [one.version for one in seen] == [2, 1]
    champion = glance.champion(NAME)
    assert champion is not None
    assert champion.version == 2
    assert glance.version(NAME, 3) is None
    assert glance.versions("another") == []
    assert glance.champion("another") is None


def test_a_database_that_is_none_is_told_in_one_sentence(tmp_path: Path) -> None:
    place = tmp_path / "mlflow.db"
    place.write_text("not a database, but long enough to be taken for a damaged one" * 100)
    with pytest.raises(ServiceError, match="could not be read"):
        Glance(place).champion(NAME)


def test_a_registry_elsewhere_is_not_glanced_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    open_registry(tmp_path / "mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}.db")
    assert not isinstance(read_registry(tmp_path / "mine"), Glance)
    assert has_registry(tmp_path / "nobody")
