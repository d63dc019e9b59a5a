"""The desk: requests wait here in a bounded row, and are answered one at a time by the version that took them in."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tasks.core.errors import ModelError
from tasks.core.judging.generation import Reply, answer
from tasks.core.serving.chat_requests import USUAL_TOKENS, ChatRequest
from tasks.core.serving.growing import GrowingText
from tasks.core.serving.opening import OpenVersion
from tasks.core.serving.refusing import Refusal

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """A request that was taken in: the version that answers it, its prompt, and the most tokens of its reply."""

    asked: ChatRequest
    version: OpenVersion
    prompt: list[int]
    most: int


@dataclass(frozen=True)
class UnderWay:
    """A reply that is waited for; `stop` ends it at its next token."""

    reply: "asyncio.Future[Reply]"
    stop: threading.Event = field(default_factory=threading.Event)


class Desk:
    """One generation at a time, with `most_waiting` requests behind it; used from one event loop alone.

    `version` answers what comes from now on. A request keeps the one that took it in, so one may be put in place of another
    at any moment, from any thread.
    """

    def __init__(self, version: OpenVersion, most_waiting: int) -> None:
        self.version = version
        self.most_waiting = most_waiting
        self.draining = False
        self.answered = self.refused = 0
        self._taken: set[object] = set()
        self._stops: set[threading.Event] = set()
        # One thread reads questions, so that a long one holds up no generation; one generates, which torch's seed demands.
        self._reading = ThreadPoolExecutor(1, "reading")
        self._generating = ThreadPoolExecutor(1, "generating")

    @property
    def taken(self) -> int:
        """Count the requests that are under way or wait."""
        return len(self._taken)

    async def take(self, asked: ChatRequest, tell: Tell | None = None) -> tuple[Question, UnderWay]:
        """Take a request in; `tell` gets pieces of the reply, from another thread.

        Raises `Refusal`: 503 while draining, 429 when the row is full, 404 for another version, 400 for a question that
        cannot be asked.
        """
        place = self._place()
        try:
            version = self._version_for(asked)
            reading = asyncio.get_running_loop().run_in_executor(self._reading, _read, asked, version)
            question = await reading
            under_way = self._begin(question, tell)
        except BaseException:
            self._taken.discard(place)
            raise
        under_way.reply.add_done_callback(lambda _: self._leave(place, under_way.stop))
        return question, under_way

    async def try_out(self, trial: Callable[[], None]) -> None:
        """Run `trial` between two generations."""
        await asyncio.get_running_loop().run_in_executor(self._generating, trial)

    def stop_all(self) -> int:
        """End whatever is under way or waits; give how many requests that are."""
        for stop in self._stops:
            stop.set()
        return self.taken

    def _place(self) -> object:
        if self.draining:
            raise Refusal(
                503, "The server is stopping.", headers={"retry-after": "10", "connection": "close"}
            )
        if len(self._taken) > self.most_waiting:
            raise Refusal(429, "Too many requests wait already.", headers={"retry-after": "1"})
        place = object()
        self._taken.add(place)
        return place

    def _version_for(self, asked: ChatRequest) -> OpenVersion:
        version = self.version
        if asked.model not in {"", version.name, version.label}:
            raise Refusal(
                404, f"That model is not served; {version.name} and {version.label} are.", field="model"
            )
        return version

    def _begin(self, question: Question, tell: Tell | None) -> UnderWay:
        stop = threading.Event()
        running = asyncio.get_running_loop().run_in_executor(
            self._generating, _generate, question, stop, tell
        )
        self._stops.add(stop)
        return UnderWay(running, stop)

    def _leave(self, place: object, stop: threading.Event) -> None:
        self._taken.discard(place)
        self._stops.discard(stop)


def _read(asked: ChatRequest, version: OpenVersion) -> Question:
    try:
        prompt = version.prompt(asked.question, asked.history, leave=asked.max_tokens or 1)
    except ValueError as error:
        which = "A message" if asked.history else "The question"
        raise Refusal(400, f"{which} {error}.", "messages") from None
    except ModelError as error:  # the template takes no conversation of this shape
        raise Refusal(400, error.message, "messages") from None
    left = version.room - len(prompt) if version.room else USUAL_TOKENS
    return Question(asked, version, prompt, asked.max_tokens or min(USUAL_TOKENS, left))


def _generate(question: Question, stop: threading.Event, tell: Tell | None) -> Reply:
    """Generate a reply; what was stopped before it began says nothing."""
    if stop.is_set():
        return Reply("", stopped=False)
    asked, version = question.asked, question.version
    growing = GrowingText(version.tokenizer)

    def heed(ids: list[int]) -> bool:
        if tell and (new := growing.grow(ids)):
            tell(new)
        return stop.is_set()

    reply = answer(
        version.model,
        version.tokenizer,
        question.prompt,
        question.most,
        asked.temperature,
        asked.top_p,
        asked.seed,
        heed,
    )
    if tell and (rest := growing.end(reply.text)):
        tell(rest)
    return reply
