"""What a person does with versions, from the shell: promote, reject, roll back, and read what happened."""

import json
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from journeys import freshtune
from tiny import packaged

from tasks.core.registry.client import open_registry
from tasks.core.registry.lineage import FILES_DIGEST, KEPT_OUT, PARENT
from tasks.core.registry.packaging import FILES, files_digest
from tasks.core.store.digests import digest_file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a workspace with three registered versions."""
    folder = tmp_path_factory.mktemp("workspace")
    client = open_registry(folder)
    packed = packaged(tmp_path_factory.mktemp("package"))
    for number in (1, 2, 3):
        tags = {"freshtune.content_key": f"c{number}", "freshtune.files_digest": files_digest(packed)}
        run = client.start_run("freshtune", "run", tags)
        client.log_files(run, packed, "model")
        client.register("support-assistant", run, "model", tags, "")
    return folder


def said(place: Path, *arguments: str) -> str:
    done = freshtune(*arguments, workspace=place)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_champion_is_made_taken_back_and_both_are_remembered(place: Path) -> None:
    open_registry(place).tag_version("support-assistant", 1, {KEPT_OUT: "It ties with the base."})
    first = said(place, "promote", "1", "--why", "The first.").splitlines()
    assert first == [
        "support-assistant version 1 is champion; before it was none.",
        "The gate had kept it out: It ties with the base.",
    ]
    assert "version 2 is champion; before it was version 1" in said(
        place, "promote", "2", "--why", "Read it."
    )

    began = time.monotonic()
    assert "version 1 is champion again; version 2 is set aside" in said(place, "rollback")
    assert time.monotonic() - began < 15  # five on a quiet machine

    assert "version 3 is set aside; champion is version 1" in said(
        place, "reject", "3", "--why", "It swears."
    )
    events = json.loads(said(place, "models", "--history", "--json"))["events"]
    assert [(one["kind"], one["before"], one["after"]) for one in events] == [
        ("promoted", 0, 1),
        ("promoted", 1, 2),
        ("rolled back", 2, 1),
        ("rejected", 1, 1),
    ]
    assert all(one["who"] and one["why"] for one in events)
    assert "rolled back" in said(place, "models", "--history")
    assert "set aside by" in said(place, "models")


def test_what_is_exported_is_read_by_plain_transformers(place: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert "files in" in said(place, "export", "1", str(tmp_path / "out"))
    model = AutoModelForCausalLM.from_pretrained(str(tmp_path / "out"))
    assert AutoTokenizer.from_pretrained(str(tmp_path / "out")).chat_template
    assert model.generation_config is not None
    said(place, "export", "1", str(tmp_path / "adapter"), "--what", "adapter")
    assert [one.name for one in (tmp_path / "adapter").iterdir()] == ["adapter_config.json"]
    done = freshtune("export", "1", str(tmp_path / "out"), workspace=place)
    assert done.returncode == 2
    assert "is there already" in done.stderr


def test_a_version_becomes_one_file_that_is_checked(place: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    file = tmp_path / "new" / "support-1.gguf"
    told = json.loads(said(place, "export", "1", str(file), "--what", "gguf", "--json"))
    assert (told["status"], told["version"], told["file"], told["type"]) == ("exported", 1, str(file), "f16")
    assert told["sha256"] == digest_file(file)
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    reader = GGUFReader(file)
    assert len(reader.tensors) == told["weights"]
    assert reader.get_field("general.basename").contents() == "support-assistant"
    version = open_registry(place).version("support-assistant", 1)
    assert version
    assert reader.get_field(FILES_DIGEST).contents() == version.tags[FILES_DIGEST]
    compared, words = told["compared"], said(place, "export", "2", str(tmp_path / "2.gguf"), "--what", "gguf")
    if find_spec("llama_cpp"):
        assert compared["answers"] + compared["ties"] == 4
        assert f"llama.cpp reads {compared['texts']} texts into the same tokens" in words
    else:
        assert compared is None
        assert "were not compared: llama-cpp-python is not installed" in words
    done = freshtune("export", "1", str(file), "--what", "gguf", workspace=place)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    done = freshtune("export", "1", str(tmp_path / "out"), "--type", "f32", workspace=place)
    assert done.returncode == 2
    assert "--type goes with --what gguf only" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["promote", "9", "--why", "x"], "There is no version 9 of support-assistant"),
        (["reject", "9", "--why", "x"], "There is no version 9 of support-assistant"),
        (["promote", "1"], "Missing option '--why'"),
        (["promote", "1", "--why", ""], "The reason is empty; it is kept in the history."),
        (["reject", "1", "--why", " "], "The reason is empty"),
        (["rollback", "--why", ""], "The reason is empty"),
        (["trace", "9"], "There is no version 9"),
        (["trace"], "Give a VERSION, or some of"),
    ],
)
def test_mistakes_are_one_sentence(place: Path, arguments: list[str], words: str) -> None:
    done = freshtune(*arguments, workspace=place)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_versions_that_one_went_on_from_are_named(place: Path) -> None:
    client = open_registry(place)
    client.tag_version("support-assistant", 3, {PARENT: "2"})
    client.tag_version("support-assistant", 2, {PARENT: "1"})
    client.tag_version("support-assistant", 1, {PARENT: "9"})
    line = "  went on    from version 2, that from version 1, that from version 9, which is gone\n"
    assert line in said(place, "trace", "3")
    told = json.loads(said(place, "trace", "3", "--json"))
    assert (told["parent"], told["ancestors"], told["lost_ancestor"]) == (2, [2, 1], 9)


def test_a_version_with_a_flipped_byte_is_not_promoted(place: Path) -> None:
    client = open_registry(place)
    version = client.version("support-assistant", 3)
    assert version
    folder = client.at_hand(version.run_id, "model", place / "unused")
    assert (folder / FILES).is_file()
    weights = folder / "artifacts" / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    for command in (["promote", "3", "--why", "x"], ["ask", "How?", "--model", "3"]):
        done = freshtune(*command, workspace=place)
        assert done.returncode == 4
        assert "model.safetensors of this version is not the one that was registered" in done.stderr
