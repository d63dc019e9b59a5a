"""Both servers' databases at one Postgres server: their addresses, and what is told when it cannot be used."""

import socket

import pytest

from tasks.core.errors import FreshtuneError, ServiceError, SettingsError
from tasks.core.operating import databases
from tasks.core.operating.databases import databases_at, make_databases


def test_each_server_has_a_database_and_a_driver_of_its_own() -> None:
    assert databases_at("postgresql://me:s%40fe@db.example:5433/any?sslmode=require") == (
        "postgresql+asyncpg://me:s%40fe@db.example:5433/freshtune_prefect?ssl=require",
        "postgresql+psycopg2://me:s%40fe@db.example:5433/freshtune_mlflow?sslmode=require",
    )


@pytest.mark.parametrize(
    "url", ["", "db.example", "mysql://db.example/x", "postgresql:///local", "sqlite:///x"]
)
def test_what_is_no_postgres_server_is_told(url: str) -> None:
    with pytest.raises(SettingsError, match="means nothing"):
        databases_at(url)


def test_a_server_that_does_not_answer_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "find_spec", lambda _: True)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = closed.getsockname()[1]
        with pytest.raises(ServiceError, match=f"Postgres at 127.0.0.1:{port} made no databases") as error:
            make_databases(f"postgresql://me:secret@127.0.0.1:{port}")
    assert "secret" not in told(error.value)


def test_without_the_driver_the_cure_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="driver") as error:
        make_databases("postgresql://127.0.0.1")
    assert "freshtune[postgres]" in told(error.value)


def told(error: FreshtuneError) -> str:
    return f"{error} {error.__cause__}"
