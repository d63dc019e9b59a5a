"""The registry on a real MLflow database: equal content is one version, and what is registered can be served."""

import subprocess
import sys
from pathlib import Path

import pytest
from journeys import plain_environment
from tiny import make_base

from tasks.core.errors import ServiceError
from tasks.core.model.loading import load_tokenizer
from tasks.core.registry.client import Registry, open_registry
from tasks.core.registry.lineage import content_key, lineage_tags
from tasks.core.registry.packaging import package
from tasks.core.tokens.prompts import template_source, with_template

TAGS = lineage_tags(
    adapter_digest="a" * 64,
    base_digest="b" * 64,
    base_identity="base",
    examples_digest="e" * 64,
    token_rows_digest="t" * 64,
    merged_digest="m" * 64,
    log_digests=["2", "1"],
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return open_registry(tmp_path_factory.mktemp("workspace"))


def test_equal_content_is_registered_once(registry: Registry) -> None:
    run = registry.start_run("experiment", "first", TAGS)
    version = registry.register("once", run, "model", TAGS, "a description")
    assert registry.register("once", run, "model", TAGS, "another description") == version
    assert registry.start_run("experiment", "again", TAGS) == run
    assert [one.version for one in registry.versions("once")] == [1]


def test_the_alias_moves_with_its_reason(registry: Registry) -> None:
    run = registry.start_run("experiment", "first", TAGS)
    first = registry.register("moving", run, "model", TAGS, "")
    second = registry.register("moving", run, "model", {**TAGS, "freshtune.content_key": "other"}, "")
    assert registry.champion("moving") is None
    registry.set_champion("moving", first, {"why": "it is the first"})
    registry.set_champion("moving", second, {})
    champion = registry.champion("moving")
    assert champion is not None
    assert (champion.version, champion.aliases) == (2, ("champion",))
    assert registry.version("moving", first).tags["why"] == "it is the first"  # type: ignore[union-attr]
    assert registry.version("moving", 9) is None


def test_a_model_that_is_not_there_has_no_versions(registry: Registry) -> None:
    assert registry.versions("nobody") == []
    assert registry.champion("nobody") is None


def test_metrics_and_parameters_are_logged_by_run(registry: Registry) -> None:
    run = registry.start_run("experiment", "logged", {**TAGS, "freshtune.content_key": "logged"})
    registry.log_params(run, {f"p{number}": number for number in range(130)})
    registry.log_metrics(run, [("loss", float(step), step) for step in range(700)])
    found = registry.client.get_run(run).data
    assert len(found.params) == 130
    assert found.metrics["loss"] == 699.0


def test_a_server_that_is_not_there_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Registry("http://me:hidden@127.0.0.1:9", "")
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9 did not do") as caught:
        away.champion("any")
    assert "hidden" not in str(caught.value)


def test_the_content_key_is_of_all_its_parts() -> None:
    assert (
        len(
            {
                content_key(*parts)
                for parts in (("m", "a", "b", "t"), ("x", "a", "b", "t"), ("m", "a", "b", "x"))
            }
        )
        == 3
    )
    assert TAGS["freshtune.log_digests"] == "1,2"


SERVE = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(pandas.DataFrame({"question": ["How?", "Why?"]}), params={"max_new_tokens": 4}).shape)
"""


def test_a_package_is_served_without_pickle_by_a_process_of_its_own(tmp_path: Path) -> None:
    merged = make_base(tmp_path / "model")
    tokenizer = load_tokenizer(merged)
    with_template(tokenizer, template_source("instruction", tokenizer)).save_pretrained(merged)
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    package(tmp_path / "packed", merged, tmp_path / "adapter")
    assert not list((tmp_path / "packed").rglob("*.pkl"))
    assert (tmp_path / "packed" / "artifacts" / "adapter" / "adapter_config.json").exists()
    quiet = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "packed")],
        cwd=tmp_path,
        env={**plain_environment(), **quiet, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "(2, 1)", done.stderr[-2000:]
