"""Generation: one reply to one rendered prompt."""

from collections.abc import Sequence
from typing import Any


def answer(
    model: Any,
    tokenizer: Any,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> str:
    """Generate the reply to `prompt_ids`, greedily when `temperature` is 0; give its text without the prompt."""
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
    return str(tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)).strip()
