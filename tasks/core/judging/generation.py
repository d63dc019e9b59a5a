"""Generation: replies to rendered prompts, one alone or many side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What a model said, without the prompt, and whether it came to an end by itself."""

    text: str
    stopped: bool


def answer(
    model: Any,
    tokenizer: Any,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Reply:
    """Generate the reply to `prompt_ids`, greedily when `temperature` is 0."""
    import torch

    torch.manual_seed(seed)
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_p": top_p}
        if temperature
        else {"do_sample": False}
    )
    (reply,) = _generate(model, tokenizer, [prompt_ids], max_new_tokens, sampling)
    return reply


def answer_all(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_tokens: int,
) -> list[Reply]:
    """Generate the greedy replies to prompts, in their order; at most `batch_tokens` at once, the replies included."""
    from tasks.core.tokens.batching import ordered_batches

    lengths = [len(prompt) + max_new_tokens for prompt in prompts]
    replies: dict[int, Reply] = {}
    for batch in ordered_batches(lengths, batch_tokens):
        told = _generate(
            model, tokenizer, [prompts[one] for one in batch], max_new_tokens, {"do_sample": False}
        )
        replies |= dict(zip(batch, told, strict=True))
    return [replies[one] for one in range(len(prompts))]


def _generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: dict[str, Any],
) -> list[Reply]:
    """Generate side by side, with the padding on the left: a reply begins where its prompt ends."""
    import torch

    width, pad = max(map(len, prompts)), tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    with torch.inference_mode():
        whole = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=max_new_tokens,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=pad,
            **sampling,
        )
    said = whole[:, width:]
    texts = tokenizer.batch_decode(said, skip_special_tokens=True)
    ended = (said == tokenizer.eos_token_id).any(1).tolist()
    return [Reply(str(text).strip(), stopped) for text, stopped in zip(texts, ended, strict=True)]
