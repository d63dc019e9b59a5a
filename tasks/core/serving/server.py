"""The server: uvicorn on a socket of ours; the first signal lets what is under way come to its end, a second cuts it off."""

import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from tasks.core.errors import SettingsError, Stopped
from tasks.core.serving.desk import Desk

LAST = 5  # seconds for what is written already to be sent
MOST_CONNECTIONS = 256


def listen(host: str, port: int) -> socket.socket:
    """Open the server's socket; port 0 is any that is free. Raises `SettingsError` when it cannot be opened."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be listened on ({error.strerror or type(error).__name__}).",
            cure="Give another --port, or end what has it.",
        ) from None


class DrainingServer(uvicorn.Server):
    """Answers until a signal; then refuses what is new, and ends when nothing is under way or after `patience` seconds."""

    def __init__(self, app: ASGIApp, desk: Desk, patience: float, on_start: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",  # its tracebacks could hold texts
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=LAST,
        )
        super().__init__(config)
        self.desk, self.patience, self.on_start = desk, patience, on_start
        self.cut_off = 0
        self._deadline = 0.0

    def answer_until_signal(self, listening: socket.socket) -> None:
        """Serve. Raises `Stopped` when requests had to be cut off."""
        self.run(sockets=[listening])
        if self.cut_off:
            raise Stopped(
                f"Requests that were cut off: {self.cut_off}.",
                cure="Give them more time with --drain-seconds.",
            )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections, and call `on_start` inside the event loop."""
        await super().startup(sockets)
        self.on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to drain at the first signal, and end at the second."""
        if self.desk.draining:
            self._cut_off()
            return
        self.desk.draining = True
        self._deadline = time.monotonic() + self.patience

    async def on_tick(self, counter: int) -> bool:
        """Say, ten times a second, whether it is time to end."""
        if self.desk.draining and not self.should_exit:
            if not self.desk.taken:
                self.should_exit = True
            elif time.monotonic() > self._deadline:
                self._cut_off()
        return await super().on_tick(counter)

    def _cut_off(self) -> None:
        self.cut_off += self.desk.stop_all()
        self.should_exit = True
