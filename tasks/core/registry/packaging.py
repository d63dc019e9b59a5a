"""Packaging: a folder that MLflow serves, without pickle: the code is a file, the weights are safetensors."""

import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

CODE = Path(__file__).with_name("served_model.py")
NEEDS = ("mlflow", "torch", "transformers", "safetensors", "pandas", "jinja2")
MODEL, ADAPTER = "artifacts/model", "artifacts/adapter"


def package(target: Path, merged: Path, adapter: Path, needs: Sequence[str] = NEEDS) -> None:
    """Write an MLflow model into `target`: merged model and tokenizer, the adapter beside it, signature, requirements."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
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
    pyfunc.save_model(
        str(target),
        python_model=str(CODE),
        artifacts={"model": str(merged), "adapter": str(adapter)},
        signature=signature,
        pip_requirements=[f"{name}=={metadata.version(name).partition('+')[0]}" for name in needs],
    )
