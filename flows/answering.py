"""One answer from a registered version, formatted exactly as in training."""

from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.judging.generation import answer
from tasks.core.model.loading import load_base, load_tokenizer
from tasks.core.model.merge_proof import with_its_adapter
from tasks.core.registry.client import CHAMPION, Registry, Version, open_registry
from tasks.core.registry.versions import known_version, whole_package
from tasks.core.settings import Settings
from tasks.core.tokens.asking import prompt_ids


def answer_question(settings: Settings, question: str, model: str, max_new_tokens: int) -> dict[str, Any]:
    """Answer `question` with the version `model` (a number, or `champion`), cleaned and rendered as in training.

    Raises `SettingsError` when there is no such version or the question cannot be asked, `ModelError` when a file of the
    version is not the one that was registered.
    """
    client = open_registry(settings.workspace)
    version = _choose(client, settings.registry.name, model)
    folder = whole_package(client, version, settings.workspace / "answers") / "artifacts" / "model"
    tokenizer = load_tokenizer(folder)
    try:
        prompt = prompt_ids(tokenizer, question)
    except ValueError as error:
        raise SettingsError(
            f"The question {error}.", cure='Ask in words: freshtune ask "How do I …?"'
        ) from error
    loaded = load_base(folder, "none", dtype=settings.model.dtype, attention=settings.model.attention)
    served = with_its_adapter(loaded.model, folder)
    reply = answer(served, tokenizer, prompt, max_new_tokens)
    return {"schema": 1, "name": version.name, "version": version.version, "reply": reply.text}


def _choose(client: Registry, name: str, model: str) -> Version:
    champion = client.champion(name) if model == CHAMPION else None
    if model != CHAMPION and not model.isdecimal():
        raise SettingsError(
            f"{model} is no version of {name}.", cure="Give `champion`, or a version's number."
        )
    if model == CHAMPION and champion is None:
        raise SettingsError(
            f"There is no champion of {name}.",
            cure="`freshtune run` makes one; `freshtune models` lists versions.",
        )
    return champion or known_version(client, name, int(model))
