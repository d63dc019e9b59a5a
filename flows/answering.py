"""One answer from a registered version, formatted exactly as in training."""

from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.judging.generation import answer
from tasks.core.registry.client import open_registry
from tasks.core.serving.opening import chosen_version, open_version
from tasks.core.settings import Settings


def answer_question(settings: Settings, question: str, model: str, max_new_tokens: int) -> dict[str, Any]:
    """Answer `question` with the version `model` (a number, or `champion`), cleaned and rendered as in training.

    Raises `SettingsError` when there is no such version or the question cannot be asked, `ModelError` when a file of the
    version is not the one that was registered.
    """
    client = open_registry(settings.workspace)
    version = chosen_version(client, settings.registry.name, model)
    dtype, attention = settings.model.dtype, settings.model.attention
    opened = open_version(client, version, settings.workspace, dtype=dtype, attention=attention)
    try:
        prompt = opened.prompt(question)
    except ValueError as error:
        raise SettingsError(
            f"The question {error}.", cure='Ask in words: freshtune ask "How do I …?"'
        ) from error
    reply = answer(opened.model, opened.tokenizer, prompt, max_new_tokens)
    return {"schema": 1, "name": opened.name, "version": opened.number, "reply": reply.text}
