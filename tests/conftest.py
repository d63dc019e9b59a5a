"""One workspace and one Prefect harness for the whole run of the tests."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.environment import prepare
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.journal import Journal  # imports Prefect, which must not happen before `prepare`

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
WORKSPACE = Path(tempfile.mkdtemp(prefix="freshtune-tests-"))
for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)
prepare(WORKSPACE)  # Prefect reads its environment once, when it is imported


@pytest.fixture(scope="session")
def workspace() -> Iterator[Path]:
    """Give the workspace that Prefect's results of this process lie in."""
    yield WORKSPACE
    shutil.rmtree(WORKSPACE, ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Start the one Prefect server of this run of the tests."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="session")
def migrated(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a Prefect database that is migrated already, which a fresh workspace spends twelve seconds on."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    source = str(PREFECT_API_DATABASE_CONNECTION_URL.value()).partition("///")[2]
    copy = tmp_path_factory.mktemp("migrated") / "prefect.db"
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(copy)) as written:
        read.backup(written)
    return copy


@pytest.fixture
def fresh_workspace(migrated: Path, tmp_path: Path) -> Path:
    """Give a workspace without artifacts or runs, of which only Prefect's database is there."""
    place = tmp_path / "ws"
    (place / "prefect").mkdir(parents=True)
    shutil.copy(migrated, place / "prefect")
    return place


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a random Llama of two layers with its tokenizer."""
    from tiny import make_base

    return make_base(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="session")
def settings(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Give the settings of the small journey."""
    from journeys import small_logs, small_settings

    return small_settings(workspace, *small_logs(tmp_path_factory.mktemp("small-logs")))


@pytest.fixture(scope="session")
def first(settings: Settings, prefect_server: None) -> "tuple[dict[str, Any], Journal]":
    """Run the small journey for the first time, undisturbed."""
    from journeys import run_here

    return run_here(settings)
