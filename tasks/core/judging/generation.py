"""Generation: one reply to one rendered prompt."""

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
    ids = torch.tensor([list(prompt_ids)], device=model.device)
    with torch.inference_mode():
        whole = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            **sampling,
        )
    said = whole[0, ids.shape[1] :]
    text = str(tokenizer.decode(said, skip_special_tokens=True)).strip()
    return Reply(text, stopped=bool((said == tokenizer.eos_token_id).any()))
