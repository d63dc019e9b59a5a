"""Prompts, masks and batches: what is learned is the whole reply and its end, and nothing else."""

from typing import Any

import pytest
from tiny import make_tokenizer

from tasks.core.errors import ModelError
from tasks.core.tokens.batching import IGNORED, collate, ordered_batches, token_batches
from tasks.core.tokens.masking import Encoded, encode_example
from tasks.core.tokens.prompts import encode, question_of, render_prompt, template_source, with_template


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    made = make_tokenizer()
    return with_template(made, template_source("instruction", made))


def encoded(tokenizer: Any, question: str, reply: str, length: int = 400, policy: str = "drop") -> Encoded:
    found = encode_example(tokenizer, question, reply, length, policy)
    assert isinstance(found, Encoded)
    return found


def test_the_prompt_of_training_is_the_prompt_of_serving(tokenizer: Any) -> None:
    example = encoded(tokenizer, "How do I reset it?", "Open the menu.")
    assert example.ids[: example.prompt_length] == encode(
        tokenizer, render_prompt(tokenizer, "How do I reset it?")
    )


def test_the_whole_reply_and_its_end_are_learned(tokenizer: Any) -> None:
    example = encoded(tokenizer, "How?", "Open the menü.")
    learned = example.ids[example.prompt_length :]
    assert learned[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(learned[:-1]) == "Open the menü."
    assert learned.count(tokenizer.eos_token_id) == 1


def test_a_reply_is_never_cut(tokenizer: Any) -> None:
    reply = "Open the menu. " * 40
    assert encode_example(tokenizer, "How do I reset it?", reply, 60, "cut_prompt") == "over_length"
    assert encode_example(tokenizer, "How do I reset it?", reply, 60, "drop") == "over_length"


def test_a_long_question_loses_its_beginning(tokenizer: Any) -> None:
    example = encoded(
        tokenizer, "First words. " * 30 + "How do I reset it?", "Open the menu.", 80, "cut_prompt"
    )
    assert len(example.ids) <= 80
    prompt = tokenizer.decode(example.ids[: example.prompt_length])
    assert prompt.startswith("### Instruction:\n")
    assert prompt.endswith("reset it?\n\n### Response:\n")
    assert tokenizer.decode(example.ids[example.prompt_length : -1]) == "Open the menu."


@pytest.mark.parametrize("text", ["a </s> b", "<s>", "x<pad>"])
def test_text_of_a_log_is_never_a_control_token(tokenizer: Any, text: str) -> None:
    assert encode_example(tokenizer, text, "Fine, thanks.", 99, "drop") == "control_token"
    assert encode_example(tokenizer, "How are you?", text, 99, "drop") == "control_token"


def test_a_question_comes_back_out_of_its_prompt(tokenizer: Any) -> None:
    assert question_of(tokenizer, render_prompt(tokenizer, "How?\nWhy?")) == "How?\nWhy?"


def test_a_base_without_a_chat_template_is_refused() -> None:
    with pytest.raises(ModelError, match="no chat template"):
        template_source("chat", make_tokenizer())


def test_the_beginning_is_written_once_if_the_base_writes_it() -> None:
    from tokenizers.processors import TemplateProcessing

    made = make_tokenizer()
    made.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.bos_token_id)]
    )
    with_template(made, template_source("instruction", made))
    assert encoded(made, "How?", "So it is.").ids.count(made.bos_token_id) == 1


def test_every_row_is_in_one_batch_within_the_bound() -> None:
    lengths = [1 + (7 * row) % 90 for row in range(500)]
    for epoch in (0, 1):
        batches = token_batches(lengths, 256, seed=3, epoch=epoch)
        assert sorted(row for batch in batches for row in batch) == list(range(500))
        assert all(max(lengths[row] for row in batch) * len(batch) <= 256 for batch in batches)
    assert token_batches(lengths, 256, 3, 0) == token_batches(lengths, 256, 3, 0)
    assert token_batches(lengths, 256, 3, 0) != token_batches(lengths, 256, 3, 1)


def test_a_row_longer_than_the_bound_is_a_batch_of_its_own() -> None:
    assert sorted(map(len, ordered_batches([300, 5, 5, 5], 20))) == [1, 3]


def test_labels_are_masked_on_prompt_and_padding_only() -> None:
    ids, mask, labels = collate([[5, 6, 7, 2], [5, 2]], [2, 1], pad_id=2)
    assert ids.tolist() == [[5, 6, 7, 2], [5, 2, 2, 2]]
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert labels.tolist() == [[IGNORED, IGNORED, 7, 2], [IGNORED, 2, IGNORED, IGNORED]]
