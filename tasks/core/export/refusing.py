"""Refusals: what a GGUF file cannot say as the model has it is not written at all."""

from tasks.core.errors import ModelError


def cannot_say(what: str) -> ModelError:
    """Say that a GGUF file cannot express `what`, a noun with its verb, and which export can."""
    return ModelError(
        f"This version cannot be written as GGUF: {what}.",
        cure="Export it as a folder (--what merged), for servers that read safetensors.",
    )
