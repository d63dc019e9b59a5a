"""The judge's endpoint: one question after the other to an OpenAI-compatible server, over HTTP.

What is sent is never in an error, nor is the key; nor is what came back, which may repeat it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tasks.core.errors import Refused, ServiceError, SettingsError

if TYPE_CHECKING:
    import httpx

KEY = "FRESHTUNE_JUDGE_KEY"
ATTEMPTS = 4
FIRST_WAIT, LONGEST_WAIT = (
    0.5,
    30.0,
)  # seconds; each wait is twice the one before, or what the server asks for
MOST_TOKENS = 512  # of an answer; some judges think aloud, and are unreadable then
MOST_BYTES = 1 << 20
TOO_MANY = 429
CURES = {
    401: f"Set {KEY} in the environment to a key of this server.",
    403: f"Set {KEY} in the environment to a key that may use judge.model.",
    404: "Check judge.url, which ends before /chat/completions, and judge.model.",
}
Ask = Callable[[Sequence[dict[str, str]]], str]


@contextmanager
def judge_at(url: str, model: str, seconds: float, key: str = "") -> Iterator[Ask]:
    """Give a function that sends messages to `model` and gives its answer; `seconds` is the longest that one may take.

    It asks again, four times in all, while the server is away, busy (429) or broken (5xx). An answer without text is empty.

    Raises:
        SettingsError: the key holds what no key holds.
        ServiceError: the server stays away, busy or broken.
        Refused: it said no, or does not speak chat completions.
    """
    import httpx

    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsError(f"{KEY} holds characters that no key has.", cure="Set it again, or unset it.")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    place = f"{url.rstrip('/')}/chat/completions"
    with httpx.Client(headers=headers, timeout=seconds, follow_redirects=False) as client:

        def ask(messages: Sequence[dict[str, str]]) -> str:
            body = {"model": model, "messages": list(messages), "temperature": 0, "max_tokens": MOST_TOKENS}
            return _text(_insisted(client, place, body, seconds), place)

        yield ask


def _insisted(client: "httpx.Client", place: str, body: dict[str, Any], seconds: float) -> bytes:
    """Post until there is an answer, as long as trying again can help."""
    import httpx

    wait, problem = FIRST_WAIT, ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(min(wait, LONGEST_WAIT))
        wait = FIRST_WAIT * 2**attempt
        try:
            status, data, asked_for = _post(client, place, body, seconds)
        except httpx.RequestError as error:
            problem = type(error).__name__
            continue
        if status == httpx.codes.OK:
            return data
        problem = f"status {status}"
        if status != TOO_MANY and status < httpx.codes.INTERNAL_SERVER_ERROR:
            raise Refused(
                f"The judge at {_host(place)} refuses ({problem}).",
                cure=CURES.get(status, "Check judge.url and judge.model, or leave judge.url empty."),
            )
        wait = asked_for or wait
    raise ServiceError(
        f"The judge at {_host(place)} does not answer ({problem}, {ATTEMPTS} attempts).",
        cure="Start it and start again: what was judged is kept. Or leave judge.url empty.",
    )


def _post(
    client: "httpx.Client", place: str, body: dict[str, Any], seconds: float
) -> tuple[int, bytes, float]:
    """Post once; give status, body, and for how many seconds the server asks to be left alone.

    httpx limits each wait; a server that sends a byte now and then would hold us for ever, so the whole is limited too.
    """
    import httpx

    deadline, data = time.monotonic() + seconds, b""
    with client.stream("POST", place, json=body) as answer:
        for part in answer.iter_bytes():
            data += part
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("too slow")
            if len(data) > MOST_BYTES:
                break
        asked = answer.headers.get("Retry-After", "")
    return answer.status_code, data, float(asked) if asked.isdecimal() else 0.0


def _text(data: bytes, place: str) -> str:
    """Give the text of an answer; none where the model called a tool or refused."""
    try:
        content = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise Refused(
            f"What answers at {_host(place)} does not speak chat completions.",
            cure="Check judge.url, which ends before /chat/completions, or leave it empty.",
        ) from None
    return content if isinstance(content, str) else ""


def _host(place: str) -> str:
    return urlsplit(place).netloc
