"""What serving is made of: the token, replies that grow, the desk, the watch on an alias, the rows of a file."""

import asyncio
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journeys import BASE

from tasks.core.errors import ModelError, ServiceError, SettingsError
from tasks.core.files.parsing import read_lines
from tasks.core.model.loading import load_base, load_tokenizer
from tasks.core.registry.client import Registry, Version
from tasks.core.serving import questions
from tasks.core.serving.access import FILE, VARIABLE, is_allowed, serving_token
from tasks.core.serving.alias_watching import AliasWatch
from tasks.core.serving.chat_requests import read_request
from tasks.core.serving.desk import Desk
from tasks.core.serving.growing import GrowingText
from tasks.core.serving.opening import OpenVersion
from tasks.core.serving.questions import Row, parts_of_rows, read_rows_of
from tasks.core.serving.refusing import Refusal
from tasks.core.serving.server import listen
from tasks.core.tokens.prompts import template_source, with_template


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    token = serving_token(tmp_path)
    assert len(token) >= 40
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert serving_token(tmp_path) == token
    assert [one.name for one in tmp_path.iterdir()] == [FILE]
    assert is_allowed(f"Bearer {token}", token)
    assert not is_allowed(f"Bearer {token[:-1]}", token)

    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(SettingsError, match="may be read by others"):
        serving_token(tmp_path)


@pytest.mark.parametrize(
    "token", ["too-short-7", "x" * 15, "with a space in it", "ünïcode-is-no-token", "new\nline" * 4]
)
def test_a_token_of_the_environment_must_be_sound(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, token)
    with pytest.raises(SettingsError) as caught:
        serving_token(tmp_path)
    assert token not in str(caught.value)
    monkeypatch.setenv(VARIABLE, "a-token-of-my-own-0123")
    assert serving_token(tmp_path) == "a-token-of-my-own-0123"


def test_an_address_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port} cannot be listened on"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    "text",
    ["Grüße, 日本語 und 😀😀 – naïve\n\n  zwei  Zeilen.", "  a\n", "", "\ufffd", "x \ufffd y", "👩‍👩‍👧"],
)
def test_pieces_of_a_reply_are_the_whole_reply(text: str) -> None:
    tokenizer = load_tokenizer(BASE)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    growing = GrowingText(tokenizer)
    pieces = [growing.grow(ids[: count + 1]) for count in range(len(ids))]
    assert all("\ufffd" not in piece for piece in pieces) or "\ufffd" in text
    whole = tokenizer.decode(ids).strip()
    assert "".join([*pieces, growing.end(whole)]) == whole == text.strip()


@pytest.fixture(scope="module")
def opened() -> OpenVersion:
    tokenizer = load_tokenizer(BASE)
    with_template(tokenizer, template_source("plain", tokenizer))
    return OpenVersion("support", 1, load_base(BASE, "none").model, tokenizer, 1024)


def request(most: int) -> bytes:
    asked = {"messages": [{"role": "user", "content": "How does a list work?"}], "max_tokens": most}
    return json.dumps(asked).encode()


def test_a_desk_answers_one_at_a_time_with_the_version_that_took_it_in(opened: OpenVersion) -> None:
    later = OpenVersion("support", 2, opened.model, opened.tokenizer, 1024)
    seen: list[str] = []

    async def day() -> None:
        desk = Desk(opened, most_waiting=1)
        first, one = await desk.take(read_request(request(400)), seen.append)
        second, two = await desk.take(read_request(request(2)))
        desk.version = later
        with pytest.raises(Refusal) as full:
            await desk.take(read_request(request(2)))
        assert (full.value.status, desk.taken) == (429, 2)
        while not seen:
            await asyncio.sleep(0.01)
        assert not two.reply.done()
        one.stop.set()
        cut = await one.reply
        assert 0 < cut.tokens < 400
        assert not cut.stopped
        assert (await two.reply).tokens == 2
        assert (first.version.number, second.version.number) == (1, 1)
        await asyncio.sleep(0)
        third, three = await desk.take(read_request(request(2)))
        assert third.version.number == 2
        await three.reply
        desk.draining = True
        with pytest.raises(Refusal) as stopping:
            await desk.take(read_request(request(2)))
        assert (stopping.value.status, desk.taken) == (503, 0)

    asyncio.run(day())


def test_a_refused_question_gives_its_place_back(opened: OpenVersion) -> None:
    async def day() -> None:
        desk = Desk(opened, most_waiting=0)
        for _ in range(3):
            with pytest.raises(Refusal, match="400"):
                await desk.take(read_request(request(1024)))
        assert desk.taken == 0

    asyncio.run(day())


def test_a_conversation_that_the_template_refuses_is_a_mistake_of_the_request(opened: OpenVersion) -> None:
    tokenizer = load_tokenizer(BASE)
    short = "{{ raise_exception('long') if messages | length > 3 else '' }}"
    with_template(tokenizer, short + template_source("plain", tokenizer))
    strict = OpenVersion("support", 1, opened.model, tokenizer, 1024)
    turns = [{"role": role, "content": "Why?"} for role in ("user", "assistant") * 2]
    body = json.dumps({"messages": [*turns, turns[0]]}).encode()

    async def day() -> Refusal:
        with pytest.raises(Refusal) as caught:
            await Desk(strict, most_waiting=0).take(read_request(body))
        return caught.value

    refused = asyncio.run(day())
    assert (refused.status, refused.message) == (
        400,
        "The chat template cannot render a conversation of up to 5 turns (TemplateError).",
    )


def version(number: int) -> Version:
    return Version("support", number, "run", 0.0)


class Places:
    """Where an alias was at each look; an error is raised."""

    def __init__(self, *places: Version | Exception | None) -> None:
        self.places = iter(places)
        self.loaded: list[int] = []
        self.put: list[int] = []
        self.said: list[str] = []

    def look(self) -> Version | None:
        place = next(self.places)
        if isinstance(place, Exception):
            raise place
        return place

    def watch(self, load: Callable[[Version], OpenVersion]) -> AliasWatch:
        def noted(found: Version) -> OpenVersion:
            self.loaded.append(found.version)
            return load(found)

        return AliasWatch(1, self.look, noted, lambda one: self.put.append(one.number), self.said.append)


def test_what_cannot_be_loaded_is_told_once_and_tried_again_when_the_alias_was_elsewhere() -> None:
    def load(found: Version) -> OpenVersion:
        if found.version == 2:
            raise ModelError("A file is not the one that was registered.", cure="Restore it.")
        if found.version == 4:
            raise RuntimeError("a text that nobody shall see")
        return OpenVersion("support", found.version, None, None, 0)

    numbers = (1, 2, 2, 1, 2, 3, 4, 3)
    places = Places(*map(version, numbers))
    watch = places.watch(load)
    for _ in numbers:
        watch.look_once()
    assert places.loaded == [2, 2, 3, 4]
    assert places.put == [3]
    assert len(places.said) == 4
    assert places.said[0].startswith("Version 2 cannot be loaded, and version 1 goes on: A file is not")
    assert places.said[2] == "Version 3 answers now, in place of version 1."
    assert "version 3 goes on: RuntimeError. " in places.said[3]


def test_a_registry_that_is_away_is_told_once_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError) as caught:
        Registry("http://127.0.0.1:9", "").champion("support")
    away = caught.value
    places = Places(away, away, version(1), away, None, None, version(2))
    watch = places.watch(lambda found: OpenVersion("support", found.version, None, None, 0))
    for _ in range(7):
        watch.look_once()
    assert [line.partition(" ")[0] for line in places.said] == ["MLflow", "MLflow", "The", "Version"]
    assert places.said[0].endswith("Version 1 goes on.")
    assert places.put == [2]


LINES = b"""{"id": "a", "question": "How?"}

{"id": 7, "question": "Why?", "more": 1}
{"question": "Unnamed?"}
{"id": "b"}
{"id": "c", "question": ""}
{"id": "d", "question": 3}
{"id": true, "question": "x"}
{"id": "e", "question": "cut off
"""


def test_every_row_of_a_file_asks_something_or_has_a_reason() -> None:
    rows = list(read_rows_of(read_lines(LINES)))
    assert [(row.line, row.id, row.reason) for row in rows] == [
        (1, "a", ""),
        (3, 7, ""),
        (4, 4, ""),
        (5, "b", "it has no question"),
        (6, "c", "it has no question"),
        (7, "d", "its question is not text"),
        (8, 8, "its id is neither text nor a whole number"),
        (9, 9, "the end of the object is missing"),
    ]


def test_parts_are_bounded_in_rows_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_ROWS", 3)
    monkeypatch.setattr(questions, "MOST_BYTES", 10)

    def rows(*sizes: int) -> Iterator[Row]:
        return (Row(line, line, "x", size=size) for line, size in enumerate(sizes, 1))

    cut = list(parts_of_rows(rows(1, 1, 1, 1, 9, 2, 20, 1)))
    assert [[row.size for row in part] for part in cut] == [[1, 1, 1], [1, 9], [2], [20], [1]]
    assert list(parts_of_rows(rows())) == []
