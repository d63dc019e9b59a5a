"""Waiting for something to become true."""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], seconds: float) -> None:
    """Look every twentieth of a second. Raises `TimeoutError` when it does not come true."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)
