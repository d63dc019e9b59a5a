"""Architectures: how llama.cpp computes a model, told in a GGUF file's own words, or a refusal.

A model may compute otherwise than llama.cpp in ways that no error shows: other frequencies, another activation, a window
that is not looked through. So what is written is what is known to be the same, and whatever else is refused.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.export.refusing import cannot_say
from tasks.core.model.loading import load_config

# How transformers names an architecture, how llama.cpp does, and whether the latter turns neighbours of a head's query and
# key instead of halves, so that their rows have to change places.
NAMES = {
    "llama": ("llama", True),
    "mistral": ("llama", True),
    "qwen2": ("qwen2", False),
    "qwen3": ("qwen3", False),
}
Fact = bool | int | float | str | list[str] | list[int] | list[float]


@dataclass(frozen=True)
class Architecture:
    """What llama.cpp is told of a model.

    `context` and `rows` count tokens: of a prompt with its reply at most, and of the embedding. `facts` go into the file;
    `shapes` are those of the weights by transformers' names. `rope_factors` [head width / 2] divide the frequencies of the
    positions; there are none where each is scaled alike.
    """

    name: str
    layers: int
    heads: int
    key_heads: int
    interleaved: bool
    context: int
    rows: int
    facts: dict[str, Fact]
    shapes: dict[str, tuple[int, ...]]
    rope_factors: tuple[float, ...] = ()


def architecture_of(folder: Path) -> Architecture:
    """Read the configuration of a merged model.

    Its context ends where a sliding window does: llama.cpp looks through none in these architectures, and before its end there is
    nothing to hide. Raises `ModelError` when llama.cpp would compute something else.
    """
    config = load_config(folder)
    if config.model_type not in NAMES:
        raise cannot_say(f"its architecture {config.model_type} is none of {', '.join(NAMES)}")
    name, interleaved = NAMES[config.model_type]
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    _insist_on_same_arithmetic(config, name, width)
    scaling, factors = _scaling(config, name, width)
    window, longest = _window(config), config.max_position_embeddings
    context = min(longest, window) if window else longest
    own = _facts(config, width) | scaling | {"context_length": context}
    return Architecture(
        name=name,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        interleaved=interleaved,
        context=context,
        rows=config.vocab_size,
        facts={f"{name}.{key}": fact for key, fact in own.items()},
        shapes=_shapes(config),
        rope_factors=factors,
    )


def _insist_on_same_arithmetic(config: Any, name: str, width: int) -> None:
    if config.hidden_act != "silu":
        raise cannot_say(f"its activation is {config.hidden_act}, and llama.cpp computes silu there")
    partial = config.rope_parameters.get(
        "partial_rotary_factor", getattr(config, "partial_rotary_factor", 1.0)
    )
    if partial not in (None, 1.0):
        raise cannot_say(f"only {partial:g} of each head is rotated by position")
    if name == "qwen2" and width * config.num_attention_heads != config.hidden_size:
        raise cannot_say("its heads are not as wide together as the model, which llama.cpp takes for granted")
    if name == "qwen3" and config.attention_bias:
        raise cannot_say("its attention has biases, for which llama.cpp has no place")


def _facts(config: Any, width: int) -> dict[str, Fact]:
    window = _window(config)
    facts: dict[str, Fact] = {
        "block_count": config.num_hidden_layers,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "vocab_size": config.vocab_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.dimension_count": width,
        "rope.freq_base": float(config.rope_parameters["rope_theta"]),
    }
    return facts | ({"attention.sliding_window": window} if window else {})


def _window(config: Any) -> int:
    """Give how many tokens a layer with a sliding window sees; 0 where none has one."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and "sliding_attention" not in kinds:
        return 0
    return getattr(config, "sliding_window", None) or 0


def _scaling(config: Any, name: str, width: int) -> tuple[dict[str, Fact], tuple[float, ...]]:
    """Give how positions are scaled, as facts and as factors of frequencies."""
    rope = config.rope_parameters
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return {}, ()
    if kind == "linear":
        return {"rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}, ()
    if kind == "llama3" and name == "llama":  # the one architecture of these that reads such factors
        return {}, _factors(config, width)
    raise cannot_say(f"its positions are scaled in a way ({kind}) that is not known to be the same there")


def _factors(config: Any, width: int) -> tuple[float, ...]:
    import torch
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    powers = torch.arange(0, width, 2, dtype=torch.float32) / width
    plain = 1.0 / config.rope_parameters["rope_theta"] ** powers
    return tuple((plain / scaled).tolist())


def _shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Give the shapes of a model's weights, from layers without any; a head that is the embedding is not saved."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    if config.tie_word_embeddings:
        del shapes["lm_head.weight"]
    return shapes
