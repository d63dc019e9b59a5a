"""Methods: what of a model is trained, and how many parameters that must be."""

from collections.abc import Sequence
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.settings import LoraSettings

FULL, PISSA, PREFIX, PROMPT = "full", "pissa", "prefix", "prompt"
BESIDE = (PREFIX, PROMPT)
"""Methods that put virtual tokens before a conversation: what they train is in no weight, so it cannot be merged."""
ATTENTION = frozenset(("self_attn", "attn", "attention", "self_attention"))  # as families name it
CAUSAL = "CAUSAL_LM"


def configuration(model: Any, lora: LoraSettings) -> Any:
    """Give peft's configuration of a method on a model; `full` has none.

    Source: LoRA (2106.09685), rank-stabilized LoRA (2312.03732), DoRA (2402.09353), PiSSA (2404.02948), prefix tuning
    (2101.00190), prompt tuning (2104.08691).
    """
    from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig

    if lora.method == PREFIX:
        return PrefixTuningConfig(task_type=CAUSAL, num_virtual_tokens=lora.virtual_tokens)
    if lora.method == PROMPT:
        return PromptTuningConfig(
            task_type=CAUSAL, num_virtual_tokens=lora.virtual_tokens, prompt_tuning_init="SAMPLE_VOCAB"
        )
    return LoraConfig(
        task_type=CAUSAL,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=resolve_targets(model, lora.targets),
        bias="none",
        use_rslora=lora.method == "rslora",
        use_dora=lora.method == "dora",
        init_lora_weights=PISSA if lora.method == PISSA else True,
    )


def expected_count(adapted: Any, lora: LoraSettings) -> int:
    """Say how many parameters a method trains, from the shapes of the layers that it is on."""
    if lora.method in BESIDE:
        config = adapted.active_peft_config
        wide = 2 * config.num_layers if lora.method == PREFIX else 1
        return int(config.num_virtual_tokens * wide * config.token_dim)
    if lora.method == FULL:
        return sum(weight.numel() for weight in adapted.parameters())
    layers = [
        module for module in adapted.modules() if hasattr(module, "lora_A") and "default" in module.lora_A
    ]
    magnitudes = sum(layer.out_features for layer in layers) if lora.method == "dora" else 0
    return sum(lora.rank * (layer.in_features + layer.out_features) for layer in layers) + magnitudes


def resolve_targets(model: Any, targets: Sequence[str]) -> list[str]:
    """Give the ends of the names of the layers that get an adapter, in order.

    `all-linear` stands for every linear layer but the output head, `attention` for those inside attention. Raises
    `ModelError` when a target names no layer, or the tied head.
    """
    from tasks.core.model.quantizing import linear_layers

    head = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if module is head]
    names += [name for name, _ in linear_layers(model)]
    every = [".".join(name.split(".")[-2:]) for name in names[1:]]
    groups = {
        "all-linear": {name.rsplit(".", 1)[-1] for name in every},
        "attention": {name for name in every if name.split(".")[0] in ATTENTION},
    }
    unfit = [
        one
        for one in targets
        if one not in groups and not any(name == one or name.endswith(f".{one}") for name in names)
    ]
    if unfit:
        raise ModelError(
            f"lora.targets {', '.join(unfit)} fit no layer of this base.",
            cure=f"Use all-linear, attention, or some of: {', '.join(sorted(groups['all-linear']))}.",
        )
    if names[0] in targets and head.weight is model.get_input_embeddings().weight:
        raise ModelError(
            f"lora.targets names {names[0]}, which shares its weights with the embeddings: a merge would change both.",
            cure="Leave it out; all-linear is every other layer.",
        )
    return sorted({name for one in targets for name in groups.get(one, {one})})


def begin_prefix(adapted: Any) -> None:
    """Let a prefix begin as keys and values of tokens drawn from the vocabulary, which trains steadier than noise.

    Source: prefix tuning, section 7.4 (2101.00190).
    """
    import torch
    from transformers import DynamicCache

    config, base = adapted.active_peft_config, adapted.get_base_model()
    if base.device.type == "meta":  # a blank model has no values to begin with
        return
    size = base.get_input_embeddings().num_embeddings
    ids = torch.randint(0, size, (1, config.num_virtual_tokens)).to(base.device)
    with torch.no_grad():
        seen = base(input_ids=ids, past_key_values=DynamicCache(), use_cache=True).past_key_values
    # [1, heads, tokens, width] of each layer's keys and values, to [tokens, layers x 2 x heads x width]
    parts = [
        part[0].transpose(0, 1).flatten(1) for layer in seen.layers for part in (layer.keys, layer.values)
    ]
    encoder = adapted.prompt_encoder[adapted.active_adapter]
    encoder.load_prompt_embeddings(torch.cat(parts, dim=1).float())
