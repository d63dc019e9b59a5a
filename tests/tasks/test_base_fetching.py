"""A base comes from a folder or from a hub, whole; what a hub refuses is told with its cure."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from journeys import ROOT, plain_environment
from small_hub import COMMIT, small_hub

from tasks.core.errors import DiskFull, ModelError
from tasks.core.model.loading import is_hub_id, locate_base
from tasks.core.receipts import BaseSource

FETCH = """
import json, sys
from pathlib import Path
import tasks.lid
from tasks.base_fetching import fetch_base
from tasks.core.errors import FreshtuneError
from tasks.core.receipts import BaseSource
tasks.lid.create_markdown_artifact = lambda **_: None
told, place = {}, Path(sys.argv[1])
for name in sys.argv[2:]:
    repository, _, revision = name.partition("@")
    try:
        source = BaseSource(identity=name, repository=repository, revision=revision)
        told[name] = [str(fetch_base.task.fn(place, source).folder(place))]
    except FreshtuneError as error:
        told[name] = [type(error).__name__, error.message, error.cure]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    names = [f"ours/{name}@{COMMIT}" for name in ("tiny", "gated", "missing", "private", "broken")]
    with small_hub(tiny_base) as address:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                FETCH,
                str(tmp_path_factory.mktemp("hub")),
                *names,
                "ours/tiny@" + 40 * "0",
            ],
            cwd=ROOT,
            env={**plain_environment(), "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_a_base_is_downloaded_as_it_is_on_the_hub(told: dict[str, list[str]], tiny_base: Path) -> None:
    from tasks.core.model.loading import load_base

    (place,) = told[f"ours/tiny@{COMMIT}"]
    for path in tiny_base.iterdir():
        assert (Path(place) / path.name).read_bytes() == path.read_bytes()
    assert load_base(Path(place), "none").model.config.hidden_size == 64


@pytest.mark.parametrize(
    ("name", "kind", "words", "cure"),
    [
        (f"ours/gated@{COMMIT}", "ModelError", "is gated", "HF_TOKEN"),
        (f"ours/missing@{COMMIT}", "ModelError", "has no base", "model.base"),
        (f"ours/private@{COMMIT}", "ModelError", "or keeps it private", "HF_TOKEN"),
        ("ours/tiny@" + 40 * "0", "ModelError", "has no base", "model.revision"),
        (f"ours/broken@{COMMIT}", "ServiceError", "could not be downloaded", "network"),
    ],
)
def test_what_a_hub_refuses_is_told_with_its_cure(
    told: dict[str, list[str]], name: str, kind: str, words: str, cure: str
) -> None:
    assert told[name][0] == kind
    assert words in told[name][1]
    assert cure in told[name][2]


def test_a_disk_that_fills_up_is_not_taken_for_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    from tasks.base_fetching import _download

    def fill(*_arguments: object, **_options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fill)
    with pytest.raises(DiskFull, match="is full"):
        _download(BaseSource(identity="x", repository="ours/tiny", revision=COMMIT), tmp_path)


@pytest.mark.parametrize(
    ("base", "revision", "words"),
    [
        ("", "", "is not set"),
        ("/no/such/base", "", "no base model folder"),
        ("/no/such/base", COMMIT, "no base model folder"),
        ("a/b/c", COMMIT, "no base model folder"),
        ("{here}", COMMIT, "is set too"),
    ],
)
def test_a_base_that_is_not_there_is_told_before_anything_runs(
    base: str, revision: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=words):
        locate_base(base.format(here=tmp_path), revision)


@pytest.mark.parametrize("name", ["gpt2", "mistralai/Mistral-7B-v0.1", "a/b_c.d"])
def test_hub_ids_are_known_by_their_form(name: str) -> None:
    assert is_hub_id(name)
    assert locate_base(name, COMMIT) is None
    assert not is_hub_id(f"{name}/x/y")
    assert not is_hub_id(f"./{name}")
    assert not is_hub_id(f"{name}-")
