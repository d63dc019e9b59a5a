"""Opening: a registered version on this machine, every file as it was registered, loaded as it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import ModelError, SettingsError
from tasks.core.judging.generation import answer
from tasks.core.model.loading import load_base, load_tokenizer
from tasks.core.model.merge_proof import with_its_adapter
from tasks.core.registry.client import CHAMPION, Registry, Version
from tasks.core.registry.versions import known_version, whole_package
from tasks.core.tokens.asking import prompt_ids
from tasks.core.tokens.prompts import Turn

COPIES = "answers"  # where a workspace keeps packages of an MLflow that is elsewhere
TRIAL, TRIAL_TOKENS = "What can you help me with?", 8


@dataclass(frozen=True)
class OpenVersion:
    """A version that answers; `room` is the most tokens of prompt and reply together, 0 where the model sets no limit."""

    name: str
    number: int
    model: Any
    tokenizer: Any
    room: int

    @property
    def label(self) -> str:
        """Name it as clients do: `support-assistant/3`."""
        return f"{self.name}/{self.number}"

    def prompt(self, question: str, history: Sequence[Turn] = (), *, leave: int = 1) -> list[int]:
        """Give the token ids after which the reply begins; `leave` tokens of the room are kept for it.

        Raises `ValueError`, without a word of the question, for one that cannot be asked.
        """
        ids = prompt_ids(self.tokenizer, question, history)
        if self.room and len(ids) + leave > self.room:
            raise ValueError(
                f"has {len(ids):,} tokens with the template; with {leave:,} for the reply that is more than the "
                f"{self.room:,} of this model"
            )
        return ids


def chosen_version(client: Registry, name: str, model: str) -> Version:
    """Find the version `model` (a number, or `champion`). Raises `SettingsError` when there is no such version."""
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


def open_version(
    client: Registry, version: Version, workspace: Path, *, dtype: str, attention: str
) -> OpenVersion:
    """Load a version. Raises `ModelError` when a file of it is not the one that was registered, or cannot be loaded."""
    folder = whole_package(client, version, workspace / COPIES) / "artifacts" / "model"
    tokenizer = load_tokenizer(folder)
    loaded = load_base(folder, "none", dtype=dtype, attention=attention)
    served = with_its_adapter(loaded.model, folder)
    return OpenVersion(version.name, version.version, served, tokenizer, _room(served))


def try_out(opened: OpenVersion) -> None:
    """Let a version answer a fixed question. Raises `ModelError` when what it computes is no number."""
    import torch

    prompt = opened.prompt(TRIAL)
    with torch.inference_mode():
        logits = opened.model(input_ids=torch.tensor([prompt], device=opened.model.device)).logits
    if not torch.isfinite(logits).all():
        raise ModelError(
            f"{opened.label} computes what is no number.", cure="Look at its weights; choose another version."
        )
    answer(opened.model, opened.tokenizer, prompt, TRIAL_TOKENS)


def _room(model: Any) -> int:
    """Give the tokens that a model can take in, without those that its adapter puts before every conversation."""
    longest = getattr(model.config, "max_position_embeddings", None) or 0
    virtual = max(
        (getattr(one, "num_virtual_tokens", None) or 0 for one in getattr(model, "peft_config", {}).values()),
        default=0,
    )
    return max(longest - virtual, 1) if longest else 0
