"""Packaging: a folder that MLflow serves, without pickle: the code is a file, the weights are safetensors."""

import shutil
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

from tasks.core.registry.client import quiet
from tasks.core.store.digests import digest_file, digest_value

CODE = Path(__file__).with_name("served_model.py")
NEEDS = ("mlflow", "torch", "transformers", "peft", "safetensors", "pandas", "jinja2")


def package_digest() -> str:
    """Digest what a package holds beside the model: the code that serves it and the versions that it asks for."""
    return digest_value([digest_file(CODE), requirements()])


def requirements() -> list[str]:
    """Pin what a package needs to the versions that are installed here."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in NEEDS]


def package(target: Path, merged: Path, adapter: Path) -> None:
    """Write an MLflow model into `target`: merged model and tokenizer, the adapter beside it, signature, requirements.

    `merged` must be a folder called `model`: its files are found under `artifacts/model`, those of the adapter under
    `artifacts/adapter`.
    """
    quiet()
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec("string", "question")]),
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
        beside = _adapter_files(adapter, Path(staging) / "adapter")  # MLflow names a folder like its source
        pyfunc.save_model(
            str(target),
            python_model=str(CODE),
            artifacts={"model": str(merged), "adapter": str(beside)},
            signature=signature,
            pip_requirements=requirements(),
        )


def _adapter_files(adapter: Path, target: Path) -> Path:
    target.mkdir()
    for path in sorted(adapter.glob("adapter_*")):
        shutil.copyfile(path, target / path.name)
    return target
