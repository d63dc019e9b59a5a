"""`freshtune serve` in a process of its own, and what it said."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from journeys import ROOT, plain_environment
from waiting import wait_until

QUESTION = "My notes do not sync. What can I do?"
START = 240  # seconds, on a machine that is busy with other things


class Said(NamedTuple):
    """A status, the version that the header names, and the body."""

    status: int
    version: str
    body: Any


class Server:
    """A server that runs: its address, its token and the lines of its messages."""

    def __init__(self, process: "subprocess.Popen[str]", token: str) -> None:
        self.process, self.token, self.port = process, token, 0
        self.messages: list[str] = []
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr
        self.messages.extend(line.rstrip() for line in self.process.stderr)

    def wait(self) -> None:
        wait_until(lambda: self.has_said("answers at") or self.process.poll() is not None, START)
        line = next(one for one in self.messages if "answers at" in one)
        self.port = int(line.rpartition(":")[2].removesuffix("/v1"))

    def has_said(self, words: str) -> bool:
        return any(words in line for line in self.messages)

    def open(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START)
        shown = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        line.request(method, path, body, shown)
        return line.getresponse()

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Said:
        with self.open(method, path, body, headers) as answer:
            text = answer.read()
        return Said(answer.status, answer.getheader("x-freshtune-version", ""), json.loads(text))

    def stream(self, **asked: Any) -> http.client.HTTPResponse:
        return self.open("POST", CHAT, json.dumps({**asked, "stream": True}).encode())

    def ask(self, **asked: Any) -> Said:
        return self.send("POST", CHAT, json.dumps(asked).encode())


CHAT = "/v1/chat/completions"


def question(text: str = QUESTION) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def events(answer: http.client.HTTPResponse) -> Iterator[Any]:
    """Read a stream's events up to its end."""
    for line in answer:
        if line.startswith(b"data: [DONE]"):
            yield "DONE"
        elif line.startswith(b"data: "):
            yield json.loads(line[6:])


def text_of(said: Said) -> str:
    assert said.status == 200, said
    text: str = said.body["choices"][0]["message"]["content"]
    return text


@contextmanager
def serving(place: Path, *options: str, token: str = "") -> Iterator[Server]:
    """Run a server on a free port; it is killed at the end if it still runs. `token` is given by the environment."""
    command = [sys.executable, "-m", "deployments.cli", "serve", "--port", "0", "--json", *options]
    process = subprocess.Popen(
        [*command, "--workspace", str(place)],
        cwd=ROOT,
        env=plain_environment() | ({"FRESHTUNE_SERVE_TOKEN": token} if token else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    server = Server(process, token)
    try:
        server.wait()
        server.token = token or (place / "serve.token").read_text().strip()
        yield server
    finally:
        process.kill()
        process.wait()
