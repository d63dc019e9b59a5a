"""People are told how a run ended, without a word of the logs; and what went wrong with that is no secret."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tasks.core.errors import SettingsError
from tasks.notifying import ADDRESSES, insist_on_addresses, notify


class Listener(HTTPServer):
    """Takes what is posted to it."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    made = Listener()
    Thread(target=made.serve_forever, daemon=True).start()
    monkeypatch.setenv(ADDRESSES, f"json://127.0.0.1:{made.server_port}")
    yield made
    made.shutdown()
    made.server_close()


def test_the_verdict_is_told(listener: Listener) -> None:
    assert notify("support", "kept", "The gain\x1b[31m is within noise.", "20261126-1") == ""
    (told,) = listener.taken
    assert told["title"] == "support: not promoted"
    assert told["message"] == "The gain[31m is within noise.\n\nfreshtune show 20261126-1"


@pytest.mark.parametrize("status", ["skipped", "checked"])
def test_where_nothing_is_new_nobody_is_told(listener: Listener, status: str) -> None:
    assert notify("support", status, "Nothing is new.", "20261126-1") == ""
    assert listener.taken == []


def test_without_an_address_it_is_off(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESSES)
    insist_on_addresses()
    assert notify("support", "promoted", "Better.", "20261126-1") == ""
    assert listener.taken == []


def test_a_message_that_nobody_takes_is_a_warning_without_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ADDRESSES, "json://user:secret@127.0.0.1:9")
    problem = notify("support", "promoted", "Better.", "20261126-1")
    assert problem == "Not everybody was told: an address in FRESHTUNE_NOTIFY took no message."


def test_an_address_that_means_nothing_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESSES, "json://127.0.0.1 nonsense:secret")
    with pytest.raises(SettingsError, match="Address 2 in FRESHTUNE_NOTIFY") as error:
        insist_on_addresses()
    assert "secret" not in str(error.value)
