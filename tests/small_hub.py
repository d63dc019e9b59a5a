"""A hub of models on loopback: one that is there, and others that fail as those of a real hub do."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

COMMIT = "c0ffee" + 34 * "0"
REFUSALS = {
    "gated": (403, "GatedRepo"),
    "missing": (404, "RepoNotFound"),
    "private": (401, "RepoNotFound"),
    "tiny": (404, "RevisionNotFound"),
}


@contextmanager
def small_hub(base: Path) -> Iterator[str]:
    """Serve the files of `base` as `ours/tiny`, and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubOfBase", (Hub,), {"base": base}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Hub(BaseHTTPRequestHandler):
    """Answer what `snapshot_download` asks: the repository, its tree, and each file."""

    base: ClassVar[Path]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        words = self.path.partition("?")[0].removeprefix("/api/models").strip("/").split("/")
        if words[1] == "broken":
            self.close_connection = True  # hang up without a word
        elif words[1] != "tiny" or COMMIT not in words:
            code, reason = REFUSALS[words[1]]
            self._answer(code, b"", {"X-Error-Code": reason})
        elif "resolve" in words:
            data = (self.base / words[-1]).read_bytes()
            self._answer(200, data, {"ETag": f'"{sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT})
        else:
            told = self._tree() if "tree" in words else self._repository()
            self._answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": 40 * "0"}
            for path in self.base.iterdir()
        ]

    def _repository(self) -> dict[str, Any]:
        names = [{"rfilename": path.name} for path in self.base.iterdir()]
        return {"id": "ours/tiny", "sha": COMMIT, "siblings": names, "tags": [], "private": False}

    def _answer(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        """Stay quiet."""
