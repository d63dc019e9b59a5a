"""Packaging: a folder that MLflow serves, without pickle: the code is a file, the weights are safetensors."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

from tasks.core.errors import ModelError
from tasks.core.registry.connection import quiet
from tasks.core.store.digests import digest_file, digest_folder, digest_value
from tasks.core.store.keys import HOUSE, sources_of

CODE = Path(__file__).with_name("served_model.py")
FILES, CARD = "files.json", "README.md"
QUESTION = "What can you help me with?"
SELF_TEST = """
import sys
import pandas
from mlflow import pyfunc
model = pyfunc.load_model(sys.argv[1])
replies = model.predict(pandas.DataFrame({"question": [sys.argv[2]]}), params={"max_new_tokens": 8})
if not isinstance(replies["reply"][0], str):
    raise TypeError("the reply is no text")
"""
NEEDS = (
    "mlflow",
    "torch",
    "transformers",
    "peft",
    "safetensors",
    "pandas",
    "jinja2",
    "ftfy",
    "selectolax",
)
ASKING = "tasks.core.tokens.asking"
"""The module of ours that a served model imports."""


def package_digest() -> str:
    """Digest what a package holds beside the model: the code that serves it and the versions that it asks for."""
    code = {name: digest_file(path) for name, path in _taken_along().items()}
    return digest_value([digest_file(CODE), code, requirements()])


def requirements() -> list[str]:
    """Pin what a package needs to the versions that are installed here."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in NEEDS]


def package(target: Path, merged: Path, adapter: Path, card: str) -> None:
    """Write an MLflow model into `target`: merged model and tokenizer with a model card, adapter, signature, requirements.

    Beside them lies a list of all files with their digests, which is checked before a load. `merged` must be a folder called
    `model`: its files are found under `artifacts/model`, those of the adapter under `artifacts/adapter`.
    """
    quiet()
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, Object, Property

    turn = Object([Property("role", "string"), Property("content", "string")])
    signature = ModelSignature(
        inputs=Schema(
            [
                ColSpec("string", "question", required=False),
                ColSpec(Array(turn), "messages", required=False),
            ]
        ),
        outputs=Schema([ColSpec("string", "reply")]),
        params=ParamSchema(
            [
                ParamSpec("max_new_tokens", "integer", 100),
                ParamSpec("temperature", "double", 0.0),
                ParamSpec("top_p", "double", 1.0),
                ParamSpec("seed", "integer", 0),
            ]
        ),
    )
    with tempfile.TemporaryDirectory(dir=target.parent) as staging, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example")  # the signature is written by hand
        code = _copy_code(Path(staging) / "tasks")
        beside = _adapter_files(adapter, Path(staging) / "adapter")  # MLflow names a folder like its source
        pyfunc.save_model(
            str(target),
            python_model=str(CODE),
            artifacts={"model": str(merged), "adapter": str(beside)},
            signature=signature,
            code_paths=[str(code)],
            pip_requirements=requirements(),
        )
    (target / "artifacts" / "model" / CARD).write_text(card, encoding="utf-8")
    (target / FILES).write_text(json.dumps(digest_folder(target), indent=1))


def files_digest(folder: Path) -> str:
    """Digest the list of a package's files, which holds the digests of all others."""
    return digest_file(folder / FILES)


def check_package(folder: Path, digest: str) -> None:
    """Insist that a package has the files that were registered, each with the bytes that it had then.

    `digest` is that of the list of files. Raises `ModelError` with the first that is not so.
    """
    cure = "Restore the files of this version, or choose a version that is whole."
    if not (folder / FILES).is_file() or files_digest(folder) != digest:
        raise ModelError(
            f"The list of files {FILES} of this version is not the one that was registered.", cure=cure
        )
    for name, known in json.loads((folder / FILES).read_bytes()).items():
        path = folder / name
        if not path.is_file() or digest_file(path) != known:
            raise ModelError(
                f"The file {name} of this version is not the one that was registered.", cure=cure
            )


def self_test(folder: Path) -> None:
    """Load a package as MLflow serves it, and let it answer a fixed question.

    That is done in a process of its own: MLflow puts the code that a package takes along before ours, for good.

    Raises `ModelError` when it does not answer.
    """
    quiet()
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", SELF_TEST, str(folder), QUESTION],
        cwd=folder.parent,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        kind = done.stderr.strip().rpartition("\n")[2].partition(":")[0]
        raise ModelError(
            f"The registered model does not answer when it is loaded back ({kind or done.returncode}).",
            cure="Look at the run's messages; it is not promoted, and the next run tries it again.",
        )


def _taken_along() -> dict[str, Path]:
    """Give what a package needs of our own code, by its place in the house: a few modules and their folders' own files."""
    files = sources_of([ASKING], HOUSE).values()
    folders = {folder for path in files for folder in path.parents if HOUSE in folder.parents}
    both = [*files, *(folder / "__init__.py" for folder in folders)]
    return {path.relative_to(HOUSE).as_posix(): path for path in sorted(both)}


def _copy_code(target: Path) -> Path:
    for name, path in _taken_along().items():
        place = target.parent / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return target


def _adapter_files(adapter: Path, target: Path) -> Path:
    target.mkdir()
    for path in sorted(adapter.glob("adapter_*")):
        shutil.copyfile(path, target / path.name)
    return target
