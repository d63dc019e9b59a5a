"""MLflow's app behind the guard: its process does not outlive who started it, however early that died."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVE = "from tasks.core.registry.guarded_server import create_app; create_app(); print('serving')"


@pytest.mark.parametrize(("parent", "said"), [("alive", "serving\n"), ("dead", "")])
def test_it_serves_only_while_who_started_it_lives(parent: str, said: str, tmp_path: Path) -> None:
    named = os.getpid() if parent == "alive" else os.getppid()
    environment = os.environ | {"FRESHTUNE_CREDENTIALS": "me:secret", "FRESHTUNE_MLFLOW_SERVER": str(named)}
    environment |= {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    served = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (served.stdout, served.returncode) == (said, 0 if said else 1), served.stderr[-500:]
