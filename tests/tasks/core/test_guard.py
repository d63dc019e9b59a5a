"""Nobody comes in without the credentials, on any route or socket, and no page speaks with anybody else."""

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from tasks.core.operating.guard import POLICY, Guard, Message

RIGHT = b"Basic " + b64encode(b"freshtune:secret")


def ask(kind: str = "http", **headers: bytes) -> list[Message]:
    """Ask a guarded app, and give what it answered."""
    answers: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        policy = (b"Content-Security-Policy", b"default-src *")
        await send({"type": "http.response.start", "status": 200, "headers": [policy]})
        await send({"type": "http.response.body", "body": b"inside"})

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        answers.append(message)

    pairs = [(name.encode(), value) for name, value in headers.items()]
    scope = {"type": kind, "method": "GET", "path": "/health", "headers": pairs}
    asyncio.run(Guard(app, "freshtune:secret")(scope, receive, send))
    return answers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": b""},
        {"authorization": b"Basic"},
        {"authorization": RIGHT + b"x"},
        {"authorization": RIGHT.lower()},
        {"authorization": b"Basic " + b64encode(b"freshtune:Secret")},
        {"authorization": b"Bearer secret"},
    ],
)
def test_whoever_has_not_the_credentials_stays_outside(headers: dict[str, bytes]) -> None:
    start, body = ask(**headers)
    assert start["status"] == 401
    assert (b"www-authenticate", b'Basic realm="Freshtune", charset="UTF-8"') in start["headers"]
    assert b"inside" not in body["body"]
    assert ask("websocket", **headers) == [{"type": "websocket.close", "code": 1008}]


def test_whoever_has_them_comes_in() -> None:
    start, body = ask(authorization=RIGHT)
    assert (start["status"], body["body"]) == (200, b"inside")
    assert start["headers"] == [(b"content-security-policy", POLICY)]
    assert ask("websocket", authorization=RIGHT) == [{"type": "websocket.accept"}]


def test_a_page_of_another_site_has_no_use_of_a_browsers_credentials() -> None:
    foreign = {"authorization": RIGHT, "host": b"127.0.0.1:4200", "origin": b"http://evil.example"}
    assert ask(**foreign)[0]["status"] == 403
    assert ask("websocket", **foreign) == [{"type": "websocket.close", "code": 1008}]
    assert ask(**foreign | {"origin": b"null"})[0]["status"] == 403
    assert ask(**foreign | {"origin": b"http://127.0.0.1:4200"})[0]["status"] == 200


def test_two_credentials_at_once_are_none() -> None:
    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    async def nothing(*_: Any) -> Message:
        return {}

    scope = {"type": "http", "headers": [(b"authorization", RIGHT), (b"authorization", b"Basic x")]}
    asyncio.run(Guard(nothing, "freshtune:secret")(scope, nothing, send))
    assert answers[0]["status"] == 401
