"""Where services listen and keep their databases stays as it was, unless somebody says otherwise; and some things nobody can say."""

import socket
from pathlib import Path

import pytest
from mlflow_server import free_port

from deployments.services import choosing
from deployments.services.choosing import choose_addresses
from tasks.core.errors import SettingsError

POSTGRES = "postgresql://me:secret@db.example"


def test_what_is_not_said_is_as_at_the_last_start(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    first = choose_addresses(tmp_path, None, *ports, "")
    assert (first.prefect, first.mlflow) == (f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}")
    assert choose_addresses(tmp_path, None, None, None, "") == first
    other = free_port()
    assert choose_addresses(tmp_path, None, other, None, "").prefect == f"http://127.0.0.1:{other}"


def test_a_port_that_is_taken_is_told_with_its_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Port {port}") as error:
            choose_addresses(tmp_path, None, free_port(), port, "")
    assert "--mlflow-port" in str(error.value)


def test_databases_stay_where_the_registry_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        choosing, "make_databases", lambda _: None
    )  # no Postgres here: it is asked in vain elsewhere
    ports = free_port(), free_port()
    there = choose_addresses(tmp_path / "there", None, *ports, POSTGRES)
    assert there.mlflow_database == "postgresql+psycopg2://me:secret@db.example/freshtune_mlflow"
    assert choose_addresses(tmp_path / "there", None, *ports, "") == there
    assert choose_addresses(tmp_path / "there", None, *ports, POSTGRES) == there
    choose_addresses(tmp_path / "here", None, *ports, "")
    with pytest.raises(SettingsError, match="keep their databases elsewhere") as error:
        choose_addresses(tmp_path / "here", None, *ports, POSTGRES)
    assert "secret" not in str(error.value)
