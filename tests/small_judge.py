"""A judge on loopback that speaks chat completions: it prefers what a rule says, and fails as real ones do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Rule = Callable[[dict[str, str]], Any]


class SmallJudge:
    """Answers with what `rule` says of question and replies; `statuses` are given first, one a request."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.statuses: list[int] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.address = ""

    @property
    def data(self) -> list[dict[str, str]]:
        """Give what was to be judged, request by request."""
        return [data_of(body) for body in self.bodies]


def data_of(body: dict[str, Any]) -> dict[str, str]:
    """Read the data of a request from between its marks."""
    first, data, last = body["messages"][1]["content"].split("\n")
    assert (first, last) == ("BEGIN DATA", "END DATA")
    found: dict[str, str] = json.loads(data)
    return found


@contextmanager
def small_judge(rule: Rule) -> Iterator[SmallJudge]:
    """Serve a judge; the answer is the rule's text, or a whole body where the rule gives bytes."""
    judge = SmallJudge(rule)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/chat/completions"
            judge.bodies.append(body)
            judge.keys.append(self.headers.get("Authorization", ""))
            status = judge.statuses.pop(0) if judge.statuses else 200
            answer = (
                judge.rule(data_of(body))
                if status == 200
                else b"an error that repeats " + json.dumps(body).encode()
            )
            if not isinstance(answer, bytes):
                said = {"role": "assistant", "content": answer}
                answer = json.dumps({"choices": [{"index": 0, "message": said}]}).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "1")
            if status == 302:
                self.send_header("Location", "/v1/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    judge.address = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()


def longer(data: dict[str, str]) -> str:
    """Prefer the longer reply, wherever it stands."""
    first, second = len(data["reply_a"]), len(data["reply_b"])
    return json.dumps({"winner": "TIE" if first == second else "A" if first > second else "B"})
