"""The endpoint: OpenAI's chat completions over HTTP, for those who show the token; no text of a request is logged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tasks.core.judging.generation import Reply
from tasks.core.serving.access import is_allowed
from tasks.core.serving.chat_replies import ChatReply, event
from tasks.core.serving.chat_requests import LARGEST, ChatRequest, read_request
from tasks.core.serving.desk import Desk, Question, UnderWay
from tasks.core.serving.opening import OpenVersion
from tasks.core.serving.refusing import Refusal

HEALTH = "/health"
PATIENCE = 30.0  # seconds that a client may take to send its request
GONE = 499  # for nobody: the client has closed the connection
VERSION = "x-freshtune-version"
Warn = Callable[[str], None]


class Endpoint:
    """The routes, in front of a desk; `warn` is told what went wrong, by the kind of the error alone."""

    def __init__(self, desk: Desk, warn: Warn) -> None:
        self.desk, self.warn = desk, warn

    async def chat(self, request: Request) -> Response:
        """Answer a conversation's last question, whole or as a stream."""
        asked = read_request(await _body(request))
        if asked.stream:
            return await self._streamed(asked)
        question, under_way = await self.desk.take(asked)
        gone: asyncio.Future[Any] = asyncio.create_task(_gone(request))
        either: set[asyncio.Future[Any]] = {gone, under_way.reply}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not under_way.reply.done():
            under_way.stop.set()
            return Response(status_code=GONE)
        gone.cancel()
        reply = await under_way.reply
        if under_way.stop.is_set():
            raise _cut_off()
        self.desk.answered += 1
        return JSONResponse(_head(question).whole(reply), headers=_told(question.version))

    async def models(self, _request: Request) -> Response:
        """List what may be asked for: the model whatever its version, and the version that answers now."""
        version = self.desk.version
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "freshtune"}
            for name in (version.name, version.label)
        ]
        return JSONResponse({"object": "list", "data": listed}, headers=_told(version))

    async def health(self, _request: Request) -> Response:
        """Say whether requests are answered, and by which version."""
        version, draining = self.desk.version, self.desk.draining
        body = {"status": "stopping" if draining else "ok", "model": version.label}
        return JSONResponse(body, 503 if draining else 200, headers=_told(version))

    async def refuse(self, _request: Request, error: Exception) -> Response:
        """Tell a client why it is not answered."""
        if isinstance(error, ClientDisconnect):
            return Response(status_code=GONE)
        if isinstance(error, HTTPException):
            said = "There is no such address." if error.status_code == 404 else f"{error.detail}."
            error = Refusal(error.status_code, said, headers=error.headers or {})
        if not isinstance(error, Refusal):
            self.warn(f"A request failed ({type(error).__name__}).")
            error = _failed()
        self.desk.refused += 1
        return JSONResponse(error.body(), error.status, headers={**error.headers, **_told(self.desk.version)})

    async def _streamed(self, asked: ChatRequest) -> Response:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def tell(piece: str | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: a second signal ended the server
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        question, under_way = await self.desk.take(asked, tell)
        under_way.reply.add_done_callback(lambda _: pieces.put_nowait(None))
        headers = {"cache-control": "no-store", **_told(question.version)}
        return Stream(under_way, self._events(question, under_way, pieces), headers)

    async def _events(
        self, question: Question, under_way: UnderWay, pieces: "asyncio.Queue[str | None]"
    ) -> AsyncIterator[bytes]:
        head = _head(question)
        yield head.opening()
        while (piece := await pieces.get()) is not None:
            yield head.piece(piece)
        reply = await self._reply(under_way)
        if reply is None or under_way.stop.is_set():
            yield event((_failed() if reply is None else _cut_off()).body())
            return
        self.desk.answered += 1
        for chunk in head.closing(reply, usage=question.asked.stream_options.include_usage):
            yield chunk

    async def _reply(self, under_way: UnderWay) -> Reply | None:
        """Give the reply, or nothing where generation failed, which is told: the status is sent already."""
        try:
            return await under_way.reply
        except Exception as error:  # noqa: BLE001 - whatever a model, a device or a library raises
            self.warn(f"A request failed ({type(error).__name__}).")
            return None


class Stream(StreamingResponse):
    """A reply as server-sent events; a client that is gone, even before the first of them, ends its reply."""

    def __init__(self, under_way: UnderWay, events: AsyncIterator[bytes], headers: dict[str, str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self.under_way = under_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.under_way.stop.set()


def make_app(desk: Desk, token: str, warn: Warn) -> ASGIApp:
    """Give the ASGI application: every address but `/health` asks for the token."""
    endpoint = Endpoint(desk, warn)
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        Refusal: endpoint.refuse,
        HTTPException: endpoint.refuse,
        ClientDisconnect: endpoint.refuse,
        Exception: endpoint.refuse,
    }
    routes = [
        Route(HEALTH, endpoint.health, methods=["GET"]),
        Route("/v1/models", endpoint.models, methods=["GET"]),
        Route("/v1/chat/completions", endpoint.chat, methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token)


class Guard:
    """Lets through who shows the token, and whoever asks for the health."""

    def __init__(self, inner: ASGIApp, token: str) -> None:
        self.inner, self.token = inner, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with 401."""
        if scope["type"] == "http" and scope["path"] != HEALTH and not self._is_allowed(scope):
            refused = Refusal(401, "Show the server's token: Authorization: Bearer TOKEN.")
            answer = JSONResponse(refused.body(), 401, headers={"www-authenticate": "Bearer"})
            await answer(scope, receive, send)
            return
        await self.inner(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(shown) == 1 and is_allowed(shown[0].decode("latin-1"), self.token)


async def _body(request: Request) -> bytes:
    """Read a body of bounded size in bounded time."""
    too_large = Refusal(413, f"The request has more than {LARGEST:,} bytes.", headers={"connection": "close"})
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > LARGEST:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                data += piece
                if len(data) > LARGEST:
                    raise too_large
    except TimeoutError:
        raise Refusal(408, "The request did not come to its end.", headers={"connection": "close"}) from None
    return bytes(data)


def _failed() -> Refusal:
    return Refusal(500, "The model could not answer; the server's messages say why.")


def _cut_off() -> Refusal:
    return Refusal(503, "The server was stopped before the reply was whole.")


async def _gone(request: Request) -> None:
    """Wait until the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _head(question: Question) -> ChatReply:
    return ChatReply(question.version.label, len(question.prompt))


def _told(version: OpenVersion) -> dict[str, str]:
    return {VERSION: str(version.number)}
