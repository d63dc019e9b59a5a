"""Chat requests: the body of a request becomes what is asked, or a refusal with its reason.

What would change the answer and is not done here is refused, never left out in silence.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pydantic
from pydantic import ConfigDict, Field

from tasks.core.files.parsing import MAX_LINE, Unreadable, parse_line
from tasks.core.serving.refusing import Refusal

LARGEST = MAX_LINE
"""Bytes of a request; the strict parser of the logs takes no more."""
MOST_TOKENS, USUAL_TOKENS = 4096, 100  # of a reply; the second is what `freshtune ask` takes too
MOST_MESSAGES = 1000
SHOWN = 40  # characters of a field's name in a message

IGNORED = frozenset(("user", "metadata", "safety_identifier", "prompt_cache_key", "service_tier"))
"""Fields that change no answer."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0, 0.0),
    "presence_penalty": (0, 0.0),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "stop": ([],),
    "tools": ([],),
    "tool_choice": ("none",),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none",),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "store": (False,),
}
"""Fields that are taken with the values that ask for nothing, as null does."""


class _Body(pydantic.BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Part(_Body):
    """A piece of a message's text."""

    type: Literal["text"]
    text: str


class Message(_Body):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: str | Annotated[list[Part], Field(min_length=1, max_length=MOST_MESSAGES)]

    @property
    def text(self) -> str:
        """Give what was said."""
        parts = self.content
        return parts if isinstance(parts, str) else "\n".join(part.text for part in parts)


class StreamOptions(_Body):
    """How a stream ends."""

    include_usage: bool = False


class ChatRequest(_Body):
    """What a client asks: greedily unless it sets a temperature, as `freshtune ask` does."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    model: str = ""
    max_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    @property
    def question(self) -> str:
        """Give the last message's text."""
        return self.messages[-1].text

    @property
    def history(self) -> list[dict[str, str]]:
        """Give the turns before it."""
        return [{"role": one.role, "text": one.text} for one in self.messages[:-1]]


def read_request(data: bytes) -> ChatRequest:
    """Read the body of a chat request. Raises `Refusal` (400), which holds no word of the messages."""
    record = parse_line(data.strip())
    if isinstance(record, Unreadable):
        raise Refusal(400, f"The body is no JSON object that can be read: {record.reason}.")
    try:
        asked = ChatRequest.model_validate(_plain(record))
    except pydantic.ValidationError as error:
        raise _refused(error) from None
    _insist_on_turns(asked.messages)
    if 0 < asked.temperature < 0.01:
        raise Refusal(400, "temperature is 0, or between 0.01 and 2.", "temperature")
    return asked


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Give the fields that say something, each under one name."""
    said = {key: _said(value) for key, value in record.items() if value is not None and key not in IGNORED}
    for key in sorted(said.keys() & NEUTRAL.keys()):
        if _exact(said.pop(key)) not in map(_exact, NEUTRAL[key]):
            raise Refusal(400, f"{key} with this value is not supported.", key)
    if "max_completion_tokens" in said:
        said.setdefault("max_tokens", said["max_completion_tokens"])
        if _exact(said.pop("max_completion_tokens")) != _exact(said["max_tokens"]):
            raise Refusal(400, "max_tokens and max_completion_tokens say different things.", "max_tokens")
    return said


def _said(value: Any) -> Any:
    """Leave out what messages hold as null, as a reply does that a client sends back."""
    if not isinstance(value, list):
        return value
    return [
        {key: inner for key, inner in one.items() if inner is not None} if isinstance(one, dict) else one
        for one in value
    ]


def _exact(value: Any) -> str:
    """Tell apart what compares as equal, such as 1 and true."""
    return json.dumps(value, sort_keys=True)


def _insist_on_turns(messages: Sequence[Message]) -> None:
    if messages[0].role != "user" or messages[-1].role != "user":
        raise Refusal(400, "The first and the last message must be of the role user.", "messages")


def _refused(error: pydantic.ValidationError) -> Refusal:
    """Say a mistake by its place, the one that lies deepest; unknown fields by their name, cut short."""
    mistakes = error.errors(include_input=False, include_url=False, include_context=False)
    first = max(mistakes, key=lambda one: len(one["loc"]))
    place = ".".join(str(one) for one in first["loc"] if "[" not in str(one) and one != "str")
    place = "".join(one for one in place if one.isprintable())
    shown = place if len(place) <= SHOWN else f"{place[: SHOWN - 1]}…"
    if first["type"] == "extra_forbidden":
        return Refusal(400, f"The field {shown} is not supported.", shown)
    if first["loc"][-1] == "role":
        return Refusal(
            400,
            f"{shown} must be user or assistant: the model was trained on questions and replies alone.",
            shown,
        )
    return Refusal(400, f"{shown}: {first['msg'][0].lower()}{first['msg'][1:]}.", shown)
