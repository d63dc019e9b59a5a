"""The starter model: small, whole, and better than chance in both languages."""

import math

import pytest
from journeys import BASE

from tasks.core.model.loading import check_base, load_base, load_tokenizer

TEXTS = [
    "Return a list of the names of the files in the folder.",
    "Bitte prüfen, ob alles richtig sitzt, und neu starten.",
]


def test_it_is_small_and_can_be_a_base() -> None:
    assert sum(path.stat().st_size for path in BASE.iterdir()) < 8 * 2**20
    assert check_base(BASE)["model_type"] == "llama"


@pytest.mark.parametrize("text", ["Grüße, ß und Ä", "\U0001f600 emoji", "tab\tline\nend", "漢字"])
def test_every_text_comes_back(text: str) -> None:
    tokenizer = load_tokenizer(BASE)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_its_control_tokens_are_three() -> None:
    tokenizer = load_tokenizer(BASE)
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3


@pytest.mark.parametrize("text", TEXTS)
def test_it_knows_more_than_chance(text: str) -> None:
    import torch

    tokenizer, model = load_tokenizer(BASE), load_base(BASE, "none").model
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    with torch.inference_mode():
        loss = model(input_ids=ids, labels=ids).loss.item()
    assert loss < 0.6 * math.log(len(tokenizer))
