"""A tiny Llama with its own tokenizer, made from a configuration in a second; for tests that need a real base."""

import shutil
from pathlib import Path
from typing import Any

TEXTS = (
    "The printer does not start. Press the green button for five seconds.",
    "Der Drucker startet nicht. Halten Sie die grüne Taste fünf Sekunden lang.",
    "### Instruction:\nHow do I reset it?\n\n### Response:\nOpen the menu and choose reset.",
)


def make_tokenizer() -> Any:
    """Train a byte-level tokenizer on three sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def make_base(folder: Path, seed: int = 0) -> Path:
    """Save a random Llama of two layers and its tokenizer in `folder`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def packaged(folder: Path, base: Path | None = None, template: str = "instruction") -> Path:
    """Package a tiny model, or a copy of `base`, in `folder`, as a registration does, and give the package."""
    from tasks.core.model.loading import load_tokenizer
    from tasks.core.registry.packaging import package
    from tasks.core.tokens.prompts import template_source, with_template

    merged = make_base(folder / "model") if base is None else shutil.copytree(base, folder / "model")
    tokenizer = load_tokenizer(merged)
    with_template(tokenizer, template_source(template, tokenizer)).save_pretrained(merged)
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    package(folder / "packed", merged, folder / "adapter", "# A tiny model\n")
    return folder / "packed"


def register(place: Path, packed: Path, content: str, name: str = "support-assistant") -> int:
    """Register a package in the workspace `place`, and give its version."""
    from tasks.core.registry.client import open_registry
    from tasks.core.registry.packaging import files_digest

    client = open_registry(place)
    tags = {"freshtune.content_key": content, "freshtune.files_digest": files_digest(packed)}
    run = client.start_run("freshtune", "run", tags)
    client.log_files(run, packed, "model")
    return client.register(name, run, "model", tags, "")
