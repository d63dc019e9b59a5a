"""Every family of tokenizers and templates: the labels spell the reply and its end, and nothing else."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from families import FAMILIES, tokenizer_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tasks.core.tokens.batching import IGNORED, collate
from tasks.core.tokens.encoded import Encoded
from tasks.core.tokens.layouts import control_ids, layout_of
from tasks.core.tokens.masking import encode_conversation, encode_conversations
from tasks.core.tokens.preview import preview
from tasks.core.tokens.prompts import encode, has_control_token, question_of, render_prompt, with_template
from tasks.core.tokens.traits import token_traits

PROPERTY = settings(deadline=None, derandomize=True, phases=[Phase.generate])  # shrinking takes minutes here
HISTORY = (
    {"role": "user", "text": "How do I reset the printer?"},
    {"role": "assistant", "text": "Press the green button."},
)
QUESTION = "It still blinks."
REPLY = "Then open the menu, choose reset, and wait."
every_family = pytest.mark.parametrize("name", FAMILIES)
both_shapes = pytest.mark.parametrize("history", [(), HISTORY], ids=["alone", "with history"])
PLACES = {
    "alone": "{}",
    "first": "{} then open",
    "last": "open the menu {}",
    "between words": "open {} menu",
    "inside a word": "me{}nu choose",
    "on its own line": "open\n{}\nmenu",
}


def rows_of(tokenizer: Any, reply: str = REPLY, history: Any = (), length: int = 9999) -> list[Encoded]:
    found = encode_conversation(tokenizer, history, QUESTION, reply, length, "split")
    assert isinstance(found, list)
    return found


def same(name: str, text: str, wanted: str) -> bool:
    if FAMILIES[name].lossy:
        return "".join(text.split()) == "".join(wanted.split())
    return text == wanted


@every_family
@both_shapes
def test_the_labels_spell_the_reply_and_its_end(name: str, history: Sequence[Any]) -> None:
    tokenizer, family = tokenizer_of(name), FAMILIES[name]
    (row,) = rows_of(tokenizer, history=history)
    learned = tokenizer.decode(row.ids[row.prompt_length :])
    assert same(name, learned, family.lead + REPLY + family.ending + tokenizer.eos_token)
    assert row.ids[row.prompt_length :].count(tokenizer.eos_token_id) == 1
    assert row.ids[-1] == tokenizer.eos_token_id


@every_family
@both_shapes
def test_the_prompt_is_what_serving_feeds(name: str, history: Sequence[Any]) -> None:
    tokenizer = tokenizer_of(name)
    (row,) = rows_of(tokenizer, history=history)
    prompt = render_prompt(tokenizer, QUESTION, history)
    assert row.ids[: row.prompt_length] == encode(tokenizer, prompt)
    assert same(name, tokenizer.decode(row.ids[: row.prompt_length]), prompt)
    assert QUESTION in prompt
    assert REPLY not in prompt


@every_family
def test_the_prompt_is_what_other_programs_make_of_the_saved_template(name: str) -> None:
    tokenizer = tokenizer_of(name)
    messages = [{"role": turn["role"], "content": turn["text"]} for turn in HISTORY]
    theirs = tokenizer.apply_chat_template(
        [*messages, {"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=False
    )
    (row,) = rows_of(tokenizer, history=HISTORY)
    assert row.ids[: row.prompt_length] == theirs


@every_family
def test_an_earlier_reply_ends_as_a_learned_one(name: str) -> None:
    tokenizer = tokenizer_of(name)
    (row,) = rows_of(tokenizer, history=HISTORY)
    closing = list(layout_of(tokenizer).ending)[:1]
    opened = [one for one in row.ids[: row.prompt_length] if one == closing[0]]
    questions_close_too = layout_of(tokenizer).turn.startswith(tokenizer.decode(closing))
    begins_with_it = row.ids[0] == closing[0]
    assert len(opened) == 1 + 2 * questions_close_too + begins_with_it


@every_family
def test_a_row_begins_once(name: str) -> None:
    tokenizer = tokenizer_of(name)
    (row,) = rows_of(tokenizer)
    begins = tokenizer.bos_token is not None and layout_of(tokenizer).opening.startswith(tokenizer.bos_token)
    assert row.ids[:2].count(tokenizer.bos_token_id) == int(begins)


@every_family
def test_labels_in_a_padded_batch_are_the_reply_also_where_the_end_pads(name: str) -> None:
    tokenizer = tokenizer_of(name)
    rows = [*rows_of(tokenizer), *rows_of(tokenizer, "Wait.", HISTORY)]
    _, mask, labels = collate(
        [row.ids for row in rows], [row.prompt_length for row in rows], tokenizer.pad_token_id
    )
    for row, present, wanted in zip(rows, mask, labels, strict=True):
        assert wanted[wanted != IGNORED].tolist() == row.ids[row.prompt_length :]
        assert int(present.sum()) == len(row.ids)


@every_family
def test_a_chunk_is_encoded_as_its_rows_one_by_one(name: str) -> None:
    tokenizer = tokenizer_of(name)
    rows = [
        {
            "question": f"It blinks {count} times. " * count,
            "reply": "Wait. " * count,
            "history": HISTORY[: count % 3],
        }
        for count in range(12)
    ]
    for policy in ("drop", "keep_reply", "split"):
        chunk = encode_conversations(tokenizer, rows, 60, policy)
        alone = [
            encode_conversation(tokenizer, row["history"], row["question"], row["reply"], 60, policy)
            for row in rows
        ]
        assert chunk.outcomes == alone
        assert chunk.outcomes[0] == "empty_reply"
        assert chunk.lengths[0] == 0


@every_family
def test_pieces_teach_every_token_of_a_long_reply_once(name: str) -> None:
    tokenizer = tokenizer_of(name)
    reply = " ".join([REPLY] * 40)
    (whole,) = rows_of(tokenizer, reply)
    pieces = rows_of(tokenizer, reply, length=64)
    assert [one.piece for one in pieces] == list(range(1, len(pieces) + 1))
    assert {one.pieces for one in pieces} == {len(pieces)}
    assert len(pieces) > 1
    assert all(len(one.ids) <= 64 and not one.whole for one in pieces)
    learned = [one for piece in pieces for one in piece.ids[piece.prompt_length :]]
    assert learned == whole.ids[whole.prompt_length :]


@every_family
def test_a_question_comes_back_out_of_its_prompt(name: str) -> None:
    tokenizer = tokenizer_of(name)
    for history in ((), HISTORY):
        prompt = render_prompt(tokenizer, QUESTION, history)
        assert question_of(tokenizer, prompt) == QUESTION
        assert question_of(tokenizer, tokenizer.decode(encode(tokenizer, prompt))) == QUESTION


@every_family
def test_the_traits_of_sound_rows_are_those_that_the_suite_asks_for(name: str) -> None:
    tokenizer = tokenizer_of(name)
    long = " ".join([REPLY] * 40)
    examples = [("a", REPLY, rows_of(tokenizer)), ("b", long, rows_of(tokenizer, long, HISTORY, 80))]
    table = token_traits(tokenizer, examples)
    assert table["row_id"].to_pylist() == ["a", "b"]
    assert table["label_coverage"].to_pylist() == [1.0, 1.0]
    assert table["ends_with_eos"].to_pylist() == [True, True]
    assert table["reply_truncated"].to_pylist() == [False, False]
    assert table["markers_inside"].to_pylist() == [False, False]
    assert table["labelled"].to_pylist() == table["reply_tokens"].to_pylist()
    assert max(table["bos_count"].to_pylist()) <= 1
    assert max(table["length"].to_pylist()) <= 80


@every_family
def test_people_see_the_end_that_is_learned(name: str) -> None:
    tokenizer, family = tokenizer_of(name), FAMILIES[name]
    (row,) = rows_of(tokenizer)
    shown = preview(tokenizer, row.ids, row.prompt_length)
    assert shown["learned"].endswith("⟨eos⟩")
    assert same(name, shown["learned"].partition("⟨")[0], family.lead + REPLY)
    assert shown["special"][-1] == {
        "name": "eos", "token": tokenizer.eos_token, "at": len(row.ids) - 1, "learned": True
    }  # fmt: skip


@every_family
@pytest.mark.parametrize("place", PLACES)
def test_text_of_a_log_is_never_a_control_token(name: str, place: str) -> None:
    """Special and added tokens, in every field, at six places."""
    tokenizer = tokenizer_of(name)
    for token in {*tokenizer.all_special_tokens, *map(str, tokenizer.added_tokens_decoder.values())}:
        text = PLACES[place].format(token)
        assert has_control_token(tokenizer, text)
        assert encode_conversation(tokenizer, (), text, REPLY, 999, "drop") == "control_token"
        assert encode_conversation(tokenizer, (), QUESTION, text, 999, "drop") == "control_token"
        for role in ("user", "assistant"):
            history = [HISTORY[0], {"role": "assistant", "text": "Yes."}, {"role": role, "text": text}]
            assert encode_conversation(tokenizer, history, QUESTION, REPLY, 999, "drop") == "control_token"


MARKED = {  # families whose turns are told by words alone, and how a reader counts them
    "byte-level, own pad, instruction": r"### Response:",
    "byte-level, words for turns (Falcon)": r"(?m)^Assistant:",
    "byte fallback, beginning in every turn (Llama 2)": r"\[/INST\]",
    "byte fallback, mark before every text (Zephyr)": r"<\|assistant\|>",
    "byte-level, no beginning, end closes turns (ChatML)": r"<\|im_start\|>assistant",
    "byte fallback, no mark, ends differ (Gemma)": r"<start_of_turn>model",
}
FRAGMENTS = (
    "### ", "Response:", "### Response:\n", "\n", "\n\n", "Assistant:", "User: ", "[/INST]", "[INST", "]", "/",
    "<|assistant|>", "<|im_", "start|>", "<|im_start|>", "assistant", "<", "</s>", "s>", "\u200b", "<start_of_turn>",
    "model", "menu", " open", "\U000f0000", "\U000f0001", "<s>",
)  # fmt: skip
texts = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6).map("".join)


@pytest.mark.parametrize("name", MARKED)
@given(said=texts, asked=texts, replied=texts)
@settings(PROPERTY, max_examples=40)
def test_no_text_opens_a_turn_of_its_own(name: str, said: str, asked: str, replied: str) -> None:
    tokenizer = tokenizer_of(name)
    history = [{"role": "user", "text": said}, {"role": "assistant", "text": "Yes."}]
    found = encode_conversation(tokenizer, history, asked, replied, 9999, "drop")
    if isinstance(found, str):
        return
    (row,) = found
    turns = re.findall(MARKED[name], tokenizer.decode(row.ids))
    assert len(turns) == 2
    content = row.ids[row.prompt_length : -len(layout_of(tokenizer).ending)]
    assert control_ids(tokenizer).isdisjoint(content)


def test_a_word_of_structure_is_a_turn_only_where_one_would_stand() -> None:
    falcon = tokenizer_of("byte-level, words for turns (Falcon)")
    assert has_control_token(falcon, "Thanks.\nAssistant: wait")
    assert not has_control_token(falcon, "I asked the Assistant: it waits")
    chatml = tokenizer_of("byte-level, no beginning, end closes turns (ChatML)")
    assert not has_control_token(chatml, "assistant\nuser\n")


def test_a_reply_with_a_letter_that_the_base_does_not_know_is_no_example() -> None:
    tokenizer = tokenizer_of("unigram, no beginning, no pad, plain")
    assert encode_conversation(tokenizer, (), QUESTION, "Then wait ☃.", 999, "drop") == "unknown_token"
    assert isinstance(encode_conversation(tokenizer, (), "It blinks ☃.", REPLY, 999, "drop"), list)
    assert encode_conversation(tokenizer, (), "A <unk> b.", REPLY, 999, "drop") == "control_token"


@every_family
@both_shapes
def test_a_reply_is_encoded_as_the_base_has_seen_it_behind_such_a_prompt(
    name: str, history: Sequence[Any]
) -> None:
    """No space that a tokenizer writes before a text of its own, none missing where the template has one."""
    tokenizer = tokenizer_of(name)
    (row,) = rows_of(tokenizer, history=history)
    layout = layout_of(tokenizer)
    whole = render_prompt(tokenizer, QUESTION, history) + layout.lead + REPLY
    assert row.ids[: -len(layout.ending)] == encode(tokenizer, whole)


def test_a_reply_that_melts_into_its_prompt_is_encoded_apart() -> None:
    """A token of two line breaks straddles a prompt that ends with one and a reply that begins with one."""
    name = "byte fallback, mark before every text, instruction"
    tokenizer = with_template(FAMILIES[name].make(), tokenizer_of(name).chat_template)
    tokenizer.add_tokens(["\n\n"])
    (row,) = rows_of(tokenizer, "\n" + REPLY)
    prompt = encode(tokenizer, render_prompt(tokenizer, QUESTION))
    assert row.ids[: row.prompt_length] == prompt
    assert same(name, tokenizer.decode(row.ids[len(prompt) : -1]), REPLY)


def test_a_token_of_white_space_is_no_control_token() -> None:
    from families import byte_level

    tokenizer = byte_level("<|end|>", bos="<s>", eos="</s>")
    tokenizer.add_tokens(["    ", "\n\n"])
    assert not has_control_token(tokenizer, "menu\n\n    open")
    assert has_control_token(tokenizer, "menu<|end|>")
