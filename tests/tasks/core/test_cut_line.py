"""A line to the MLflow server that is cut at any word: the next start ends with one version, whole, and one run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow_server import Line, free_port, mlflow_server

from tasks.core.errors import ServiceError
from tasks.core.registry.client import Registry

FILE = "weights"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    port = free_port()
    with mlflow_server(tmp_path_factory.mktemp("server"), port):
        yield Line(port)


def register(line: Line, folder: Path, name: str) -> int:
    """Do what the registration does, in its order."""
    tags = {"freshtune.content_key": name, "freshtune.training_key": name}
    registry = Registry(line.address, "")
    known = registry.find_content(name, name)
    if known:
        version, run = known.version, known.run_id
    else:
        run = registry.start_run("cut", name, tags)
        registry.log_params(run, {"rank": 16})
        registry.log_metrics(run, [("loss", 1.0, 1)])
        registry.log_files(run, folder, "model")
        version = registry.register(name, run, "model", tags, "")
    registry.finish_run(run)
    return version


def once_or_for_good(word: int, when: str, *, once: bool) -> Callable[[int, str], bool]:
    return lambda number, at: at == when and (number == word if once else number >= word)


@pytest.mark.parametrize(
    ("when", "retries"), [("before", "0"), ("after", "0"), ("after", "2")]
)  # where MLflow's client asks again by itself, an answer that was lost is what makes two of something
def test_wherever_the_line_is_cut_there_is_one_version_in_the_end(
    when: str, retries: str, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    model = tmp_path / "model"
    model.mkdir()
    (model / FILE).write_text("whole")
    for name in ("first", "second"):  # the first makes the experiment too
        line.asked.clear()
        assert register(line, model, f"{name} {when} {retries}") == 1
    writes = [number for number, word in enumerate(line.asked) if is_write(word)]
    assert len(writes) > 6

    failed = 0
    for word in writes:
        name = f"{when} {retries} {word}"
        line.asked.clear()
        line.cut = once_or_for_good(word, when, once=retries != "0")
        try:
            register(line, model, name)
        except ServiceError:
            failed += 1
        line.cut = lambda _number, _at: False

        assert register(line, model, name) == 1
        registry = Registry(line.address, "")
        (version,) = registry.versions(name)
        kept = registry.download(version.run_id, "model", tmp_path / name)
        assert (kept / FILE).read_text() == "whole"
        assert registry.client.get_run(version.run_id).info.status == "FINISHED"
    assert failed == (len(writes) if retries == "0" else 0)


def is_write(word: str) -> bool:
    """Say whether a request of MLflow's changes something; some only ask by POST."""
    return not word.startswith("GET ") and not word.endswith("/search")
