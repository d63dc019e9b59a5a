"""Refusing: what a client is told when its request is not answered, in the form that OpenAI's clients read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, str] = MappingProxyType({})
KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refusal(Exception):  # noqa: N818 - an answer, with a status
    """A request is not answered: `status` is HTTP's, `message` one sentence without a word of the texts, `field` what it is of."""

    def __init__(
        self, status: int, message: str, field: str = "", headers: Mapping[str, str] = NOTHING
    ) -> None:
        super().__init__(status)
        self.status, self.message, self.field, self.headers = status, message, field, headers

    def body(self) -> dict[str, Any]:
        """Give it as JSON."""
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        said = {"message": self.message, "type": kind, "param": self.field or None, "code": None}
        return {"error": said}
