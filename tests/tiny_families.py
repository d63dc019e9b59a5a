"""Tiny random bases of every family: two layers, a few thousand weights, made from a configuration in milliseconds."""

from pathlib import Path
from typing import Any

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 97}
WIDE = {"intermediate_size": 96, "num_key_value_heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": SMALL | WIDE | {"tie_word_embeddings": True},
    "mistral": SMALL | WIDE | {"sliding_window": 6},
    "mixtral": SMALL | WIDE | {"num_local_experts": 4},
    "falcon": SMALL | {"new_decoder_architecture": True, "num_kv_heads": 2},
    "falcon alibi": SMALL | {"alibi": True, "new_decoder_architecture": False, "multi_query": False},
    "gpt_neox": SMALL | {"intermediate_size": 96},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 97},
    "phi": SMALL | {"intermediate_size": 96},
    "qwen2": SMALL | WIDE,
    "gemma2": SMALL | WIDE | {"head_dim": 16, "final_logit_softcapping": 5.0},
    "gemma3_text": SMALL | WIDE | {"head_dim": 16, "sliding_window": 6},
}


def model_of(family: str) -> Any:
    """Make a random model of a family, the same at every call."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(family.split(maxsplit=1)[0], **FAMILIES[family], **ends)
    model = AutoModelForCausalLM.from_config(config).eval()
    for weight in model.parameters():  # what begins as zeros or ones tells little apart
        weight.data += 0.02 * torch.randn_like(weight)
    return model


def save_base(folder: Path, family: str) -> Path:
    """Save a random base of a family."""
    model_of(family).save_pretrained(folder)
    return folder
