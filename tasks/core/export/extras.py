"""What an export to GGUF needs beyond Freshtune's own packages: the package `gguf`, and llama.cpp where it is installed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tasks.core.errors import SettingsError


def gguf_library() -> Any:
    """Give the package `gguf`. Raises `SettingsError` when it is not installed."""
    try:
        return import_module("gguf")
    except ImportError as error:
        raise SettingsError(
            "A GGUF file is asked for, and the package gguf is not installed.",
            cure="Run: pip install 'freshtune[gguf]'",
        ) from error


def has_llama_cpp() -> bool:
    """Say whether llama.cpp can be asked what it reads in a file."""
    return find_spec("llama_cpp") is not None
