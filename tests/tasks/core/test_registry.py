"""The registry on a real MLflow database: equal content is one version, and what is registered can be served."""

import subprocess
import sys
from pathlib import Path

import pytest
from journeys import plain_environment
from tiny import packaged

from tasks.core.errors import ModelError, Refused, ServiceError
from tasks.core.receipts import Adapter, BaseModel, Decision, MergedModel, TokenRows, ValidExamples
from tasks.core.registry import packaging
from tasks.core.registry.client import Registry, open_registry, version_page
from tasks.core.registry.lineage import content_key, lineage_tags
from tasks.core.registry.packaging import (
    FILES,
    check_package,
    files_digest,
    package_digest,
    self_test,
)
from tasks.core.settings import RegistrySettings

TAGS = lineage_tags(
    adapter_digest="a" * 64,
    base_digest="b" * 64,
    base_identity="base",
    tokenizer_digest="p" * 64,
    quantization="nf4-double",
    examples_digest="e" * 64,
    token_rows_digest="t" * 64,
    merged_digest="m" * 64,
    package_digest="s" * 64,
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


def test_aliases_move_and_tags_stay(registry: Registry) -> None:
    run = registry.start_run("experiment", "first", TAGS)
    first = registry.register("moving", run, "model", TAGS, "")
    second = registry.register("moving", run, "model", {**TAGS, "freshtune.content_key": "other"}, "")
    assert registry.champion("moving") is None
    registry.tag_version("moving", first, {"why": "it is the first"})
    for version in (first, second):
        registry.set_alias("moving", "champion", version)
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
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9 does not answer") as caught:
        away.champion("any")
    assert "hidden" not in str(caught.value)


def test_the_content_key_is_of_what_a_version_holds_and_of_nothing_else() -> None:
    parts = [("m", "a", "b", "s"), ("x", "a", "b", "s"), ("m", "a", "b", "x")]
    assert len({content_key(*one) for one in parts}) == 3
    assert TAGS["freshtune.content_key"] == content_key("m" * 64, "a" * 64, "b" * 64, "s" * 64)
    assert TAGS["freshtune.log_digests"] == "1,2"


@pytest.mark.parametrize("part", ["code", "versions"])
def test_a_package_that_serves_otherwise_is_other_content(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = package_digest()
    if part == "code":
        (tmp_path / "served_model.py").write_text("# other code\n")
        monkeypatch.setattr(packaging, "CODE", tmp_path / "served_model.py")
    else:
        monkeypatch.setattr(packaging, "NEEDS", ("torch",))
    assert package_digest() != before


def test_the_serving_code_is_in_the_key_of_the_registration() -> None:
    from tasks.registration import register_model

    assert "tasks.core.registry.served_model" in register_model.lid.modules
    assert set(packaging.NEEDS) <= set(register_model.lid.libraries)


def test_a_moved_workspace_takes_its_models_along(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("weights")
    before = open_registry(tmp_path / "here")
    run = before.start_run("experiment", "first", TAGS)
    before.log_files(run, tmp_path / "file.txt", "model")
    before.register("moved", run, "model", TAGS, "")

    (tmp_path / "here").rename(tmp_path / "there")
    after = open_registry(tmp_path / "there")
    assert (after.download(run, "model", tmp_path / "got") / "file.txt").read_text() == "weights"
    source = after.client.get_model_version("moved", "1").source
    other = after.start_run("experiment", "second", {**TAGS, "freshtune.content_key": "second"})
    after.log_files(other, tmp_path / "file.txt", "model")
    assert source.startswith(f"{tmp_path}/there/")
    assert not (tmp_path / "here").exists()


def test_a_version_has_a_page_where_there_is_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:secret@mlflow.example:5000/")
    assert version_page("support a/b", 3) == "https://mlflow.example:5000/#/models/support%20a%2Fb/versions/3"
    monkeypatch.setenv("FRESHTUNE_MLFLOW_PAGES", "http://127.0.0.1:5000")
    assert version_page("support", 3) == "http://127.0.0.1:5000/#/models/support/versions/3"
    monkeypatch.delenv("FRESHTUNE_MLFLOW_PAGES")
    for nowhere in ("", "sqlite:///mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
        assert version_page("support", 3) == ""


def test_what_mlflow_refuses_is_not_asked_again(registry: Registry) -> None:
    run = registry.start_run("experiment", "first", TAGS)
    for ask in (
        lambda: registry.register("a:b", run, "model", {**TAGS, "freshtune.content_key": "x"}, ""),
        lambda: registry.finish_run("no-such-run"),
    ):
        with pytest.raises(Refused) as caught:
            ask()
        assert not caught.value.retryable
        assert caught.value.exit_code == 6
        assert caught.value.cure


def test_a_registration_that_was_killed_at_its_end_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.registration import register_model

    monkeypatch.setattr("tasks.lid.create_markdown_artifact", lambda **_: None)
    (tmp_path / "rows" / "tokenizer").mkdir(parents=True)
    client = open_registry(tmp_path)
    key = content_key("m", "a", "b", package_digest())
    run = client.start_run("experiment", "killed", {"freshtune.content_key": key})
    packed = packaged(tmp_path)
    client.log_files(run, packed, "model")
    tags = {"freshtune.content_key": key, "freshtune.files_digest": files_digest(packed)}
    client.register("m", run, "model", tags, "")
    assert client.client.get_run(run).info.status == "RUNNING"

    made_from = {"model": {"quantization": "nf4", "double_quant": True}}
    found = register_model.task.fn(
        tmp_path,
        (),
        ValidExamples(path="e", digest="e", shards=()),
        TokenRows(path="rows", digest="r"),
        BaseModel(path="b", digest="b", identity="b"),
        Adapter(path="a", digest="a", adapter_digest="a", base_digest="b", made_from=made_from),
        None,
        MergedModel(path="m", digest="m", proof={}),
        (),
        Decision(path="d", digest="d", outcome="keep", reason="", gains={}),
        RegistrySettings(name="m"),
        redacted=True,
    )
    assert (found.version, found.run_id) == (1, run)
    assert client.client.get_run(run).info.status == "FINISHED"


def test_a_run_says_what_it_holds(registry: Registry, tmp_path: Path) -> None:
    run = registry.start_run("experiment", "held", {**TAGS, "freshtune.content_key": "held"})
    (tmp_path / "page.html").write_text("x")
    assert not registry.holds(run, "report")
    registry.log_files(run, tmp_path / "page.html", "report")
    assert registry.holds(run, "report")


SERVE = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(pandas.DataFrame({"question": ["How?", "Why?"]}), params={"max_new_tokens": 4}).shape)
dirty = model.predict(pandas.DataFrame({"question": ["  Why&nbsp;<b>so</b>? ", "Why so?"]}), params={"max_new_tokens": 8})
print(dirty["reply"][0] == dirty["reply"][1])
def chat(*said):
    roles = ("user", "assistant") * len(said)
    return {"messages": [{"role": role, "content": text} for role, text in zip(roles, said)]}
asked = model.predict(chat("Why&nbsp;so?"), params={"max_new_tokens": 8})
print(asked["reply"][0] == dirty["reply"][1], model.predict(chat("Why?", "So.", "How?")).shape)
for wrong in (chat("Why?", "So."), {"messages": []}, {"messages": [{"role": "system", "content": "Secret."}]}):
    try:
        model.predict(wrong)
    except Exception as error:
        print("refused", "Secret" in str(error))
print(model.predict({"question": ["How?", "Why?"]}, params={"max_new_tokens": 4}).shape)
import tasks.core.tokens.asking
print(tasks.core.tokens.asking.__file__.startswith(sys.argv[1]))
"""


@pytest.mark.parametrize("name", ["artifacts/model/model.safetensors", "served_model.py", "MLmodel", FILES])
@pytest.mark.parametrize("harm", ["flipped", "missing"])
def test_one_flipped_byte_is_refused_before_the_load(name: str, harm: str, tmp_path: Path) -> None:
    packed = packaged(tmp_path)
    digest = files_digest(packed)
    check_package(packed, digest)
    victim = packed / name
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data) if harm == "flipped" else victim.unlink()
    with pytest.raises(ModelError, match=f"{name} of this version is not the one that was registered"):
        check_package(packed, digest)
    if name.startswith("artifacts"):
        with pytest.raises(ModelError, match="does not answer when it is loaded back"):
            self_test(packed)


def test_a_package_is_served_without_pickle_by_a_process_of_its_own(tmp_path: Path) -> None:
    packaged(tmp_path)
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
    told = ["(2, 1)", "True", "True (1, 1)", *["refused False"] * 3, "(2, 1)", "True", ""]
    assert done.stdout.split("\n") == told, done.stderr[-2000:]
