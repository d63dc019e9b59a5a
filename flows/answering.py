"""One answer from a registered version, formatted exactly as in training."""

from typing import Any

from tasks.core.errors import ModelError, SettingsError
from tasks.core.judging.generation import answer
from tasks.core.model.loading import load_base, load_tokenizer
from tasks.core.model.merged_weights import with_its_adapter
from tasks.core.normalizing.normalization import neutralize_markers, normalize_text
from tasks.core.registry.client import CHAMPION, Registry, Version, open_registry
from tasks.core.registry.lineage import FILES_DIGEST
from tasks.core.registry.packaging import check_package
from tasks.core.settings import Settings
from tasks.core.tokens.prompts import encode, has_control_token, render_prompt


def answer_question(settings: Settings, question: str, model: str, max_new_tokens: int) -> dict[str, Any]:
    """Answer `question` with the version `model` (a number, or `champion`), cleaned and rendered as in training.

    Raises `SettingsError` when there is no such version or the question is empty, `ModelError` when a file of the version is
    not the one that was registered.
    """
    client = open_registry(settings.workspace)
    version = _choose(client, settings.registry.name, model)
    package = client.at_hand(version.run_id, "model", settings.workspace / "answers" / version.run_id)
    check_package(package, version.tags.get(FILES_DIGEST, ""))
    folder = package / "artifacts" / "model"
    tokenizer = load_tokenizer(folder)
    text = neutralize_markers(normalize_text(question))
    if not text:
        raise SettingsError("The question is empty.", cure='Ask something: freshtune ask "How do I …?"')
    if has_control_token(tokenizer, text):
        raise ModelError("The question holds a control token of this base.", cure="Ask without it.")
    loaded = load_base(folder, "none", dtype=settings.model.dtype, attention=settings.model.attention)
    served = with_its_adapter(loaded.model, folder)
    reply = answer(served, tokenizer, encode(tokenizer, render_prompt(tokenizer, text)), max_new_tokens)
    return {"schema": 1, "name": version.name, "version": version.version, "reply": reply.text}


def _choose(client: Registry, name: str, model: str) -> Version:
    version = client.champion(name) if model == CHAMPION else None
    if model.isdecimal():
        version = client.version(name, int(model))
    if version is None:
        known = ", ".join(str(one.version) for one in client.versions(name)) or "none"
        raise SettingsError(
            f"There is no version {model} of {name}.",
            cure=f"Registered are: {known}. `freshtune run` makes one.",
        )
    return version
