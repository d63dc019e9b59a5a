"""Children: questions to a script that runs in a process of its own, which may loop, fill its memory or be ended by a library."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def ask_child(script: Path, request: Any, *, patience: float, doing: str) -> Any:
    """Run a script, give it `request` as JSON, and give the JSON of the last line that it writes.

    `doing` says in errors what it does. Raises `TimeoutError` after `patience` seconds, `ChildProcessError` when it fails.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-P", str(script)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{doing} took more than {patience} s") from None
    if child.returncode:
        raise ChildProcessError(f"{doing} ended with {child.returncode}")
    return json.loads(child.stdout.splitlines()[-1])
