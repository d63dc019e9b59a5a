"""Guard: an ASGI door that lets nobody in without the credentials, whatever the route, and no page of another site."""

import hmac
from base64 import b64encode
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
REFUSED = 1008  # a web socket's word for it
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"


def basic(credentials: str) -> str:
    """Give the header's value with which `user:password` comes in."""
    return f"Basic {b64encode(credentials.encode()).decode()}"


class Guard:
    """Stand before an ASGI app: HTTP basic authentication on every route and every socket.

    Health checks need them too. A browser that knows the credentials sends them by itself, so a request that names another
    origin than this server's is refused as well. Pages may load from here only and tell nothing elsewhere.
    """

    def __init__(self, app: App, credentials: str) -> None:
        self.app = app
        self.expected = basic(credentials).encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 401 or 403."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1 or not hmac.compare_digest(given[0], self.expected):
            await _refuse(scope, receive, send, 401)
        elif _is_foreign(scope):
            await _refuse(scope, receive, send, 403)
        else:
            await self.app(scope, receive, _confining(send))


def _confining(send: Send) -> Send:
    """Let what is answered say that a page may speak with its own server only."""

    async def confined(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-security-policy"]
            message["headers"] = [*kept, (b"content-security-policy", POLICY)]
        await send(message)

    return confined


def _is_foreign(scope: Message) -> bool:
    """Say whether a page of another site asks, as its browser says."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    return bool(origin) and urlsplit(origin).netloc != headers.get(b"host", b"").decode("latin-1")


async def _refuse(scope: Message, receive: Receive, send: Send, status: int) -> None:
    if scope["type"] == "websocket":
        await receive()  # the opening, which must be read first
        await send({"type": "websocket.close", "code": REFUSED})
        return
    challenge = [(b"www-authenticate", b'Basic realm="Freshtune", charset="UTF-8"')] if status == 401 else []
    text = b"Freshtune: credentials are needed." if status == 401 else b"Freshtune: asked by another site."
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *challenge]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
