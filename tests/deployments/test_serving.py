"""Versions behind an address: real requests to a real server, the words of `ask`, aliases that move, hostile requests."""

import json
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from journeys import BASE, freshtune, plain_environment
from small_server import CHAT, QUESTION, START, Said, Server, events, question, serving, text_of
from tiny import packaged, register
from waiting import wait_until

from flows.answering import answer_question
from tasks.core.registry.client import CHAMPION, open_registry
from tasks.core.settings import Settings

NAME, TOKENS, SECRET = "support-assistant", 16, "zebra-4711"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a workspace with three versions: two that say different things, and one that computes no numbers."""
    folder, packages = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("packages")
    bases = ((BASE, "instruction"), (BASE, "plain"), (broken(packages / "broken"), "instruction"))
    for number, (base, template) in enumerate(bases, 1):
        (packages / str(number)).mkdir()
        assert register(folder, packaged(packages / str(number), base, template), f"c{number}") == number
    move(folder, 1)
    return folder


def broken(folder: Path) -> Path:
    """Copy the base with a weight that is no number."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(BASE, folder)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], torch.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def move(folder: Path, version: int) -> None:
    open_registry(folder).set_alias(NAME, CHAMPION, version)


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    with serving(place, "--poll-seconds", "0.2", "--most-waiting", "3") as one:
        yield one


@pytest.fixture(scope="module")
def words(place: Path) -> dict[int, str]:
    """Give what `ask` says, by version."""
    settings = Settings(workspace=place)
    said = {one: answer_question(settings, QUESTION, str(one), TOKENS)["reply"] for one in (1, 2)}
    assert said[1] != said[2]
    assert all(said.values())
    return said


LOADED = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
asked = pandas.DataFrame({"question": [sys.argv[2]]})
print(model.predict(asked, params={"max_new_tokens": int(sys.argv[3])})["reply"][0])
"""


def test_ask_serve_stream_and_mlflow_say_the_same_words(
    server: Server, place: Path, words: dict[int, str]
) -> None:
    dirty = question(f"  <p>{QUESTION}</p>&nbsp; ")
    whole = server.ask(messages=dirty, max_tokens=TOKENS, model=NAME)
    assert text_of(whole) == words[1]
    assert (whole.version, whole.body["model"]) == ("1", f"{NAME}/1")
    assert whole.body["usage"]["completion_tokens"] == TOKENS
    assert whole.body["choices"][0]["finish_reason"] == "length"

    with server.stream(
        messages=question(), max_tokens=TOKENS, stream_options={"include_usage": True}
    ) as answer:
        told = list(events(answer))
    assert told.pop() == "DONE"
    assert told.pop()["usage"] == whole.body["usage"]
    pieces = [one["choices"][0]["delta"].get("content", "") for one in told]
    assert "".join(pieces) == words[1]
    assert len([piece for piece in pieces if piece]) > 3
    assert told[-1]["choices"][0]["finish_reason"] == "length"

    client = open_registry(place)
    version = client.version(NAME, 1)
    assert version
    package = client.at_hand(version.run_id, "model", place / "unused")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(package), QUESTION, str(TOKENS)],
        cwd=place,
        env={**plain_environment(), "PYTHONPATH": "", "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == words[1], done.stderr[-2000:]


def test_earlier_turns_count_and_a_seed_repeats_what_is_drawn(server: Server) -> None:
    turns = [*question("How do I print?"), {"role": "assistant", "content": "Press the button."}]
    first = server.ask(messages=[*turns, *question()], max_tokens=4)
    alone = server.ask(messages=question(), max_tokens=4)
    assert first.body["usage"]["prompt_tokens"] > alone.body["usage"]["prompt_tokens"] + 5
    drawn = [
        text_of(server.ask(messages=question(), max_tokens=TOKENS, temperature=2.0, seed=seed))
        for seed in (5, 5, 6, 7)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_only_who_shows_the_token_is_let_in(server: Server, place: Path) -> None:
    assert server.send("GET", "/health", headers={}).body == {"status": "ok", "model": f"{NAME}/1"}
    assert stat.S_IMODE((place / "serve.token").stat().st_mode) == 0o600
    wrong = ["", "Bearer", f"Bearer {server.token[:-1]}", f"Basic {server.token}", f"Bearer {server.token}x"]
    for header in [*wrong, server.token, "Bearer ä"]:
        for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("GET", "/nowhere")):
            said = server.send(method, path, b"{}", {"Authorization": header} if header else {})
            assert (said.status, said.version) == (401, ""), header
    listed = server.send("GET", "/v1/models")
    assert [one["id"] for one in listed.body["data"]] == [NAME, f"{NAME}/1"]
    assert server.send("GET", "/nowhere").status == 404
    assert server.send("GET", CHAT).status == 405


def chat(**changes: object) -> bytes:
    return json.dumps({"messages": question(f"How {SECRET}?"), "max_tokens": 2, **changes}).encode()


def turns(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": SECRET} for role in roles]


HOSTILE = [
    (b"", 400, "no JSON object"),
    (b"[]", 400, "no JSON object"),
    (b'{"messages": ', 400, "no JSON object"),
    (b"\xff\xfe{}", 400, "no JSON object"),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', 400, "half of a surrogate pair"),
    (b'{"messages": [], "messages": []}', 400, "a key appears twice"),
    (b'{"temperature": NaN}', 400, "NaN is not JSON"),
    (b'{"a":' * 100 + b"1" + b"}" * 100, 400, "nested more than"),
    (b"{}", 400, "messages: field required"),
    (chat(messages=[]), 400, "messages: list should have at least 1 item"),
    (chat(messages=SECRET), 400, "messages: input should be a valid list"),
    (chat(messages=[SECRET]), 400, "messages.0: "),
    (chat(messages=[{"role": "user"}]), 400, "messages.0.content: field required"),
    (chat(messages=[{"role": "user", "content": 3}]), 400, "messages.0.content: input should be"),
    (chat(messages=[{"role": "user", "content": []}]), 400, "messages.0.content: "),
    (chat(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), 400, "messages.0.content.0"),
    (chat(messages=turns("system", "user")), 400, "messages.0.role must be user or assistant"),
    (chat(messages=turns("user", "tool", "user")), 400, "messages.1.role must be user or assistant"),
    (chat(messages=turns("assistant", "user")), 400, "The first and the last message"),
    (chat(messages=turns("user", "assistant")), 400, "The first and the last message"),
    (chat(messages=question("  <br> ")), 400, "The question is empty"),
    (chat(messages=[*turns("user"), *question("\0")]), 400, "A message is empty"),
    (chat(messages=question("a </s> b")), 200, ""),
    (chat(messages=question("word " * 2000)), 400, "more than the 1,024 of this model"),
    (chat(max_tokens=1020), 400, "more than the 1,024 of this model"),
    (chat(max_tokens=0), 400, "max_tokens: input should be greater than or equal to 1"),
    (chat(max_tokens=10**30), 400, "max_tokens: input should be less than or equal to 4096"),
    (chat(max_tokens="2"), 400, "max_tokens: input should be a valid integer"),
    (chat(max_completion_tokens=3), 400, "say different things"),
    (chat(temperature=-1), 400, "temperature: input should be greater"),
    (chat(temperature=1e-300), 400, "temperature is 0, or between 0.01 and 2"),
    (chat(temperature=True), 400, "temperature: input should be a valid number"),
    (chat(top_p=0), 400, "top_p: input should be greater than 0"),
    (chat(seed=2**64), 400, "seed: input should be"),
    (chat(stream="yes"), 400, "stream: input should be a valid boolean"),
    (chat(n=2), 400, "n with this value is not supported"),
    (chat(n=True), 400, "n with this value is not supported"),
    (chat(tools=[{"type": "function"}]), 400, "tools with this value is not supported"),
    (chat(stop=["x"]), 400, "stop with this value is not supported"),
    (chat(logprobs=True), 400, "logprobs with this value is not supported"),
    (chat(response_format={"type": "json_object"}), 400, "response_format with this value"),
    (chat(guided_regex=SECRET), 400, "The field guided_regex is not supported"),
    (chat(**{"x" * 1000: 1}), 400, "xxx… is not supported"),
    (chat(model="gpt-4"), 404, "That model is not served"),
    (chat(model=f"{NAME}/9"), 404, "That model is not served"),
    (chat(filler="x" * 2**20), 413, "more than 1,048,576 bytes"),
    (chat(n=1, user=SECRET, tools=[], stop=None, response_format={"type": "text"}), 200, ""),
    (chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]), 200, ""),
    (chat(messages=[{"role": "user", "content": "Why?", "name": None}]), 200, ""),
]


def test_hostile_requests_are_refused_in_one_sentence_and_never_break_anything(server: Server) -> None:
    wrong = []
    for body, status, sentence in HOSTILE:
        said = server.send("POST", CHAT, body)
        message = said.body.get("error", {}).get("message", "")
        if said.status != status or sentence not in message or SECRET in message:
            wrong.append((body[:100], said.status, message))
    assert wrong == []
    length = {"Authorization": f"Bearer {server.token}", "Content-Length": str(2**40)}
    assert server.send("POST", CHAT, b"{}", length).status == 413
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
        line.sendall(f"{head}Content-Length: 99\r\n\r\n{SECRET}".encode())
    assert server.send("GET", "/health", headers={}).status == 200
    assert not server.has_said(SECRET)
    assert not server.has_said("failed")


def test_more_than_may_wait_are_sent_away(server: Server) -> None:
    with ThreadPoolExecutor(12) as clients:
        said = list(clients.map(lambda _: server.ask(messages=question(), max_tokens=60), range(12)))
    statuses = [one.status for one in said]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 4
    assert {one.body["error"]["message"] for one in said if one.status == 429} == {
        "Too many requests wait already."
    }


def test_an_alias_that_moves_is_followed_without_a_lost_request(
    server: Server, place: Path, words: dict[int, str]
) -> None:
    ended = Event()

    def go_on(_: int) -> list[Said]:
        said = []
        while not ended.is_set():
            said.append(server.ask(messages=question(), max_tokens=TOKENS, model=NAME))
        return said

    with ThreadPoolExecutor(3) as clients:
        try:
            running = [clients.submit(go_on, one) for one in range(3)]
            move(place, 2)
            wait_until(lambda: server.has_said("Version 2 answers now, in place of version 1"), START)
            move(place, 3)
            wait_until(lambda: server.has_said("Version 3 cannot be loaded, and version 2 goes on"), START)
            time.sleep(1)
        finally:
            ended.set()
        said = [one for client in running for one in client.result()]

    assert {one.status for one in said} == {200}
    assert {one.version for one in said} == {"1", "2"}
    for one in said:
        assert one.body["model"] == f"{NAME}/{one.version}"
        assert text_of(one) == words[int(one.version)]
    assert len([line for line in server.messages if "Version 3" in line]) == 1
    assert server.ask(messages=question(), model=f"{NAME}/1").status == 404


def test_a_signal_lets_what_is_under_way_end_and_refuses_what_is_new(server: Server) -> None:
    with server.stream(messages=question(), max_tokens=150) as answer:
        told = events(answer)
        first = next(told)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.send("GET", "/health", headers={}).status == 503, START)
        refused = server.ask(messages=question())
        rest = list(told)
    assert first["model"] == f"{NAME}/2"
    assert (refused.status, refused.body["error"]["message"]) == (503, "The server is stopping.")
    assert rest[-1] == "DONE"
    assert rest[-2]["choices"][0]["finish_reason"] in {"stop", "length"}
    assert server.process.wait(START) == 0
    assert server.process.stdout
    figures = json.loads(server.process.stdout.read())
    assert (figures["status"], figures["version"]) == ("stopped", 2)
    assert figures["answered"] > 10


def test_a_client_that_hangs_up_ends_its_reply_and_a_server_cuts_off_in_the_end(place: Path) -> None:
    options = ("--model", "2", "--drain-seconds", "0.2", "--most-waiting", "1")
    with serving(place, *options, token="a-token-of-my-own-0123") as server:
        move(place, 1)
        began = time.monotonic()
        with server.stream(messages=question(), max_tokens=900) as answer:
            told = events(answer)
            for _ in range(12):
                next(told)
        expected = (time.monotonic() - began) / 12 * 900
        hung_up = time.monotonic()
        assert server.ask(messages=question(), max_tokens=1).version == "2"
        assert time.monotonic() - hung_up < expected / 3

        with server.stream(messages=question(), max_tokens=900) as answer:
            told = events(answer)
            next(told)
            server.process.send_signal(signal.SIGTERM)
            last = list(told)[-1]
        assert last["error"]["message"] == "The server was stopped before the reply was whole."
        assert server.process.wait(START) == 143
        assert server.has_said("Requests that were cut off: 1.")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "9"], 2, "There is no version 9"),
        (["--model", "3", "--port", "0"], 4, "computes what is no number"),
    ],
)
def test_mistakes_are_one_sentence(place: Path, arguments: list[str], code: int, words: str) -> None:
    done = freshtune("serve", *arguments, workspace=place)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
