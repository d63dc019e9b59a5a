"""Databases: both servers' on one Postgres server, made where they are missing."""

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tasks.core.errors import ServiceError, SettingsError

NAMES = ("freshtune_prefect", "freshtune_mlflow")
DRIVERS = ("postgresql+asyncpg", "postgresql+psycopg2")
PATIENCE = 15  # seconds for the server to answer


def databases_at(url: str) -> tuple[str, str]:
    """Give the URLs of Prefect's and MLflow's databases at the Postgres server that `url` names.

    Raises `SettingsError` when it is no URL of a Postgres server.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname:
        raise SettingsError(
            "The address of Postgres means nothing.",
            cure="Give --postgres postgresql://USER:PASSWORD@HOST:PORT",
        )
    first, second = (
        urlunsplit((driver, parts.netloc, name, query, ""))
        for driver, name, query in zip(DRIVERS, NAMES, (_for_asyncpg(parts.query), parts.query), strict=True)
    )
    return first, second


def _for_asyncpg(query: str) -> str:
    """Put a query as asyncpg's keywords: it calls sslmode ssl."""
    return urlencode([("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(query)])


def make_databases(url: str, names: Sequence[str] = NAMES) -> None:
    """Make those of the databases `names` that are missing at a Postgres server.

    Raises `ServiceError` when it does not answer, or does not let this user make any; `SettingsError` without its driver.
    """
    if not find_spec("psycopg2"):
        raise SettingsError("MLflow needs a driver for Postgres.", cure="pip install 'freshtune[postgres]'")
    import asyncpg

    parts = urlsplit(url)
    shown = f"{parts.hostname}:{parts.port or 5432}"
    try:
        asyncio.run(
            _make(urlunsplit(("postgresql", parts.netloc, parts.path or "postgres", parts.query, "")), names)
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ServiceError(
            f"Postgres at {shown} made no databases ({type(error).__name__}).",
            cure=f"Check address and password, and that the user may create {' and '.join(names)}.",
        ) from None


async def _make(url: str, names: Sequence[str]) -> None:
    import asyncpg

    line = await asyncpg.connect(url, timeout=PATIENCE)
    try:
        known = {row["datname"] for row in await line.fetch("SELECT datname FROM pg_database")}
        for name in names:
            if name not in known:
                await line.execute(f'CREATE DATABASE "{name}"')
    finally:
        await line.close()
