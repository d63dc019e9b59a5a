"""Generation: replies to rendered prompts, one alone or many side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.progress import tell_progress

Heed = Callable[[list[int]], bool]


@dataclass(frozen=True)
class Reply:
    """What a model said, without the prompt, whether it came to an end by itself, and in how many tokens, with that end."""

    text: str
    stopped: bool
    tokens: int = 0


def answer(
    model: Any,
    tokenizer: Any,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    heed: Heed | None = None,
) -> Reply:
    """Generate the reply to `prompt_ids`, greedily when `temperature` is 0.

    `heed` is shown the ids of the reply after each token, and says whether it shall end there.
    """
    import torch

    torch.manual_seed(seed)
    sampling: dict[str, Any] = (
        {"do_sample": True, "temperature": temperature, "top_p": top_p}
        if temperature
        else {"do_sample": False}
    )
    if heed:
        sampling["stopping_criteria"] = [_asking(heed, len(prompt_ids))]
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
        tell_progress(len(replies), len(prompts), "questions answered")
    return [replies[one] for one in range(len(prompts))]


def _asking(heed: Heed, width: int) -> Callable[..., Any]:
    """Give a stopping criterion of transformers that asks `heed`; it sees [1, time] and says [1]."""
    import torch

    def ended(ids: Any, _scores: Any, **_: Any) -> Any:
        return torch.tensor([heed(ids[0, width:].tolist())], device=ids.device)

    return ended


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
    ends = said == tokenizer.eos_token_id
    ended, first = ends.any(1).tolist(), ends.int().argmax(1).tolist()
    return [
        Reply(str(text).strip(), stopped, place + 1 if stopped else said.shape[1])
        for text, stopped, place in zip(texts, ended, first, strict=True)
    ]
