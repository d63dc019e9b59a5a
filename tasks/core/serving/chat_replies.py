"""Chat replies: what a client reads, whole or as a stream of chunks."""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tasks.core.judging.generation import Reply

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class ChatReply:
    """One reply of the version `label` to a prompt of `prompt_tokens`, under one id."""

    label: str
    prompt_tokens: int
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Give the body of a reply that is complete."""
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(reply)}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage(reply)}

    def opening(self) -> bytes:
        """Give the first chunk of a stream."""
        return self._chunk({"role": "assistant", "content": ""}, None)

    def piece(self, text: str) -> bytes:
        """Give a chunk with some text."""
        return self._chunk({"content": text}, None)

    def closing(self, reply: Reply, *, usage: bool) -> Iterator[bytes]:
        """Give the last chunks of a stream."""
        yield self._chunk({}, _reason(reply))
        if usage:
            told = {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(reply)}
            yield event(told)
        yield DONE

    def _chunk(self, delta: dict[str, str], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.label}

    def _usage(self, reply: Reply) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": reply.tokens,
            "total_tokens": self.prompt_tokens + reply.tokens,
        }


def event(body: dict[str, Any]) -> bytes:
    """Give a server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def _reason(reply: Reply) -> str:
    return "stop" if reply.stopped else "length"
