"""A real MLflow server, and a line to it that can be cut at any word."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from journeys import plain_environment

PATIENCE = 90  # seconds


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    """Run `mlflow server` on the database and the files in `folder`, and give its address; it is killed at the end."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    places = [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        f"{folder}/files",
    ]
    log = (folder / "server.log").open("ab")
    server = subprocess.Popen(
        [*command, *places, "--workers", "1"],
        env=plain_environment(),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(server.pid)], check=False)  # its workers too
        server.wait()
        log.close()


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            line.request("GET", "/health")
            if line.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("the MLflow server did not start")


class Line:
    """Pass requests on to a server until `cut` says to cut the line: before one is passed on, or before its answer is."""

    def __init__(self, port: int) -> None:
        self.port, self.asked = port, list[str]()
        self.cut: Callable[[int, str], bool] = lambda _number, _when: False
        line = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                number = len(line.asked)
                line.asked.append(f"{self.command} {self.path.partition('?')[0]}")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if line.cut(number, "before"):
                    self._hang_up()
                    return
                server = http.client.HTTPConnection("127.0.0.1", line.port, timeout=60)
                kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                server.request(self.command, self.path, body, kept | {"Host": f"127.0.0.1:{line.port}"})
                answer = server.getresponse()
                said = answer.read()
                if line.cut(number, "after"):
                    self._hang_up()
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - http.server's names

            def _hang_up(self) -> None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"
