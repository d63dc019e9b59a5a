"""Every recipe in miniature: the same recipe with a tiny base of the same family, a few rows and two steps.

Only what makes it small is overridden: base, logs, workspace, steps, lengths, and how much is asked and written. Method,
quantization, compute type, template, filters, split, rates and gate are the recipe's own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from families import FAMILIES as TOKENIZERS
from families import tokenizer_of
from journeys import BASE, SAMPLE

from deployments.settings_reading import read_settings
from tasks.core.settings import Settings

WIDE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {**WIDE, "intermediate_size": 96, "num_key_value_heads": 2}
SMALL = (
    "tokens.max_length=1024",
    "training.max_steps=2",
    "training.validation_steps=1",
    "evaluation.generated=2",
    "evaluation.replies=1",
    "evaluation.max_new_tokens=8",
    "evaluation.merge_rows=2",
)
ROWS = 170


@dataclass(frozen=True)
class Kin:
    """A base of a recipe's family: its type, tokenizer and shape when tiny, and the shape of the base that the recipe names."""

    tokenizer: str
    tiny: Mapping[str, Any]
    real: Mapping[str, Any] = field(default_factory=dict)


MISTRAL = "byte fallback, control tokens for turns (Mistral)"
LLAMA_2 = "byte fallback, beginning in every turn (Llama 2)"
QWEN = "byte-level, no beginning, end closes turns (ChatML)"
GPT_2 = "byte-level, beginning is end is pad (GPT-2), plain"
FALCON = "byte-level, words for turns (Falcon)"
OPEN = {"sliding_window": None, "tie_word_embeddings": False}
MISTRAL_7B = {
    **OPEN,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32768,
}
LLAMA_13B = {
    "hidden_size": 5120,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
    "intermediate_size": 13824,
    "vocab_size": 32000,
}
LLAMA_70B = {
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 28672,
    "vocab_size": 32000,
}
FALCON_7B = {
    "hidden_size": 4544,
    "num_hidden_layers": 32,
    "num_attention_heads": 71,
    "vocab_size": 65024,
    "tie_word_embeddings": True,
}
QWEN_SMALL = {
    "hidden_size": 1536,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "intermediate_size": 8960,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
QWEN_7B = {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
}
PHI_2 = {
    "hidden_size": 2560,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 10240,
    "vocab_size": 51200,
    "partial_rotary_factor": 0.4,
}
ONE_KEY = {"multi_query": True, "parallel_attn": True, "new_decoder_architecture": False, "alibi": False}
EXPERTS = {"num_local_experts": 8, "num_experts_per_tok": 2}
MISTRAL_KIN = Kin(MISTRAL, {"model_type": "mistral", **LLAMA, **OPEN}, MISTRAL_7B)

KIN = {
    "guide": MISTRAL_KIN,
    "mistral-7b-qlora": MISTRAL_KIN,
    "llama-2-13b-qlora": Kin(LLAMA_2, {"model_type": "llama", **LLAMA}, LLAMA_13B),
    "mixtral-qlora": Kin(
        MISTRAL,
        {"model_type": "mixtral", **LLAMA, **OPEN, **EXPERTS},
        {**MISTRAL_7B, **EXPERTS, "vocab_size": 32000},
    ),
    "falcon-7b-qlora": Kin(FALCON, {"model_type": "falcon", **WIDE, **ONE_KEY}, {**ONE_KEY, **FALCON_7B}),
    "qwen-small-lora": Kin(QWEN, {"model_type": "qwen2", **LLAMA, "tie_word_embeddings": True}, QWEN_SMALL),
    "summarise": MISTRAL_KIN,
    "multilingual": Kin(QWEN, {"model_type": "qwen2", **LLAMA}, QWEN_7B),
    "phi-full": Kin(GPT_2, {"model_type": "phi", **WIDE, "intermediate_size": 96}, PHI_2),
    "multi-gpu-fsdp": Kin(LLAMA_2, {"model_type": "llama", **LLAMA}, LLAMA_70B),
}
"""Recipes whose base the user names; the others have the starter model."""
ALSO = {
    "guide": ("training.accumulation=1",),
    "multi-gpu-fsdp": ("training.processes=2",),  # as many as there are cores
}


def miniature_sets(recipe: str, place: Path) -> list[str]:
    """Give what `--set` overrides of a recipe to make it small; a tiny base is made in `place`, once a family."""
    base = tiny_base(recipe, place / "bases") if recipe in KIN else BASE
    return [f"model.base={base}", f"registry.name=small {recipe}", *SMALL, *ALSO.get(recipe, ())]


def miniature(recipe: str, place: Path, workspace: Path) -> Settings:
    """Give the settings of a recipe in miniature, whose base and logs lie in `place`."""
    logs = small_log(recipe, place / "logs")
    return read_settings(recipe, miniature_sets(recipe, place), [str(logs)], str(workspace))


def tiny_base(recipe: str, place: Path) -> Path:
    """Make a random base of the family that a recipe is for, with a tokenizer like its own."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kin = KIN[recipe]
    folder = place / f"{kin.tiny['model_type']}-{sorted(TOKENIZERS).index(kin.tokenizer)}"
    if folder.is_dir():
        return folder
    tokenizer = tokenizer_of(kin.tokenizer)
    ends = {
        name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }  # some have no beginning
    torch.manual_seed(0)
    config = AutoConfig.for_model(**kin.tiny, **ends, vocab_size=len(tokenizer), max_position_embeddings=2048)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def real_shape(recipe: str, place: Path) -> Path:
    """Write the configuration of the base that a recipe is for, without weights."""
    place.mkdir(parents=True, exist_ok=True)
    kin = KIN[recipe]
    (place / "config.json").write_text(json.dumps({"model_type": kin.tiny["model_type"], **kin.real}))
    return place


def small_log(recipe: str, place: Path) -> Path:
    """Write the first rows of the sample logs in the columns that a recipe maps, or as conversations of several turns."""
    form = FORMS.get(recipe, dict)
    path = place / f"{form.__name__}.jsonl"
    if not path.is_file():
        place.mkdir(parents=True, exist_ok=True)
        lines = (SAMPLE / "2026-07.jsonl").read_text(encoding="utf-8").splitlines()[:ROWS]
        rows = (
            json.loads(line) for line in lines if line.strip().startswith("{") and line.strip().endswith("}")
        )
        path.write_text("".join(json.dumps(form(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def as_talk(row: dict[str, Any]) -> dict[str, Any]:
    """Make a conversation of a row: its question in two turns with a word of the agent between, and its reply at the end."""
    about = {
        name: row.get(name) for name in ("conversation_id", "created", "language", "product", "requester")
    }
    said = [
        ("customer", row.get("subject")),
        ("agent", "Thank you. Please say more."),
        ("customer", row.get("body")),
        ("agent", row.get("reply")),
    ]
    return {**about, "turns": [{"role": role, "text": text} for role, text in said]}


def as_forum(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row the names of the forum's export."""
    kept = {
        name: row.get(name)
        for name in ("created", "product", "requester", "subject", "body", "agent", "reply")
    }
    votes = {"reply_is_solution": True, "reply_helpful_votes": 2}
    return {"ticket_id": row.get("conversation_id"), "locale": row.get("language"), **kept, **votes}


def as_thread(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row the names of the chat's export."""
    return {
        "thread_id": row.get("conversation_id"),
        "created": row.get("created"),
        "requester": row.get("requester"),
        "responder": row.get("agent"),
        "instruction": row.get("body"),
        "response": row.get("reply"),
    }


FORMS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "summarise": as_talk,
    "thunderbird": as_forum,
    "irc": as_thread,
}
