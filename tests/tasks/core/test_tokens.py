"""Prompts, masks, lengths, rows and batches: what is learned is the whole reply and its end, and nothing else."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import families
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tiny import make_tokenizer

from tasks.core.errors import ModelError
from tasks.core.tokens import prompts, rendering
from tasks.core.tokens.batching import IGNORED, collate, ordered_batches, token_batches
from tasks.core.tokens.cutting import LEAST_QUESTION, piece_bounds
from tasks.core.tokens.encoded import Encoded
from tasks.core.tokens.lengths import added_up, histogram
from tasks.core.tokens.masking import encode_conversation, encode_conversations
from tasks.core.tokens.preview import preview
from tasks.core.tokens.prompts import encode, render_prompt, template_source, with_template
from tasks.core.tokens.rendering import encode_all, within
from tasks.core.tokens.storing import (
    BATCH,
    TokenRow,
    concatenate_token_rows,
    load_token_rows,
    map_token_rows,
    rows_of_pieces,
    save_token_rows,
    teach_the_same,
)
from tasks.core.tokens.traits import SCHEMA, token_traits
from tasks.core.tokens.vetting import refusals

PROPERTY = settings(deadline=None, derandomize=True, phases=[Phase.generate])  # shrinking takes minutes here


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[place % 2], "text": text} for place, text in enumerate(texts)]


HISTORY = turns("It blinks.", "Hold the button.")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    made = make_tokenizer()
    return with_template(made, template_source("instruction", made))


def encoded(tokenizer: Any, question: str, reply: str, length: int = 400, policy: str = "drop") -> Encoded:
    found = encode_conversation(tokenizer, (), question, reply, length, policy)
    assert isinstance(found, list)
    (row,) = found
    return row


# prompts


def templated(name: str, **more: Any) -> Any:
    made = families.byte_level(**{"eos": "</s>"} | more)
    return with_template(made, template_source(name, made))  # type: ignore[arg-type]


def test_our_templates_render_as_they_always_did() -> None:
    plain, instruction = templated("plain"), templated("instruction")
    assert render_prompt(plain, "Why?") == "Why?\n\n"
    assert render_prompt(plain, "Why?", HISTORY) == "It blinks.\n\nHold the button.</s>Why?\n\n"
    assert render_prompt(instruction, "Why?") == "### Instruction:\nWhy?\n\n### Response:\n"
    assert render_prompt(instruction, "Why?", HISTORY) == (
        "### Instruction:\nIt blinks.\n\n### Response:\nHold the button.</s>"
        "### Instruction:\nWhy?\n\n### Response:\n"
    )


def test_a_beginning_is_written_where_the_tokenizer_would_add_one() -> None:
    for name in ("plain", "instruction"):
        never = render_prompt(templated(name, bos="<s>"), "Why?")
        assert render_prompt(templated(name, bos="<s>", adds_bos=True), "Why?") == "<s>" + never


@pytest.mark.parametrize(
    ("name", "alone", "later"),
    [
        (
            "byte-level, no beginning, end closes turns (ChatML)",
            "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
            (
                "<|im_start|>user\nIt blinks.<|im_end|>\n<|im_start|>assistant\nHold the button.<|im_end|>\n"
                "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
            ),
        ),
        (
            "byte-level, beginning added and written (Llama 3)",
            (
                "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
            (
                "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nIt blinks.<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nHold the button.<|eot_id|>"
                "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
        ),
        (
            "byte-level, ends differ (Phi)",
            "<|user|>\nWhy?<|end|>\n<|assistant|>\n",
            (
                "<|user|>\nIt blinks.<|end|>\n<|assistant|>\nHold the button.<|end|>\n"
                "<|user|>\nWhy?<|end|>\n<|assistant|>\n"
            ),
        ),
        (
            "byte-level, words for turns (Falcon)",
            "User: Why?\n\nAssistant:",
            "User: It blinks.\n\nAssistant: Hold the button.<|endoftext|>\n\nUser: Why?\n\nAssistant:",
        ),
        (
            "byte fallback, beginning in every turn (Llama 2)",
            "<s>[INST] Why? [/INST]",
            "<s>[INST] It blinks. [/INST] Hold the button. </s><s>[INST] Why? [/INST]",
        ),
        (
            "byte fallback, control tokens for turns (Mistral)",
            "<s>[INST]Why?[/INST]",
            "<s>[INST]It blinks.[/INST]Hold the button.</s>[INST]Why?[/INST]",
        ),
        (
            "byte fallback, mark before every text (Zephyr)",
            "<|user|>\nWhy?</s>\n<|assistant|>\n",
            "<|user|>\nIt blinks.</s>\n<|assistant|>\nHold the button.</s>\n<|user|>\nWhy?</s>\n<|assistant|>\n",
        ),
        (
            "byte fallback, no mark, ends differ (Gemma)",
            "<s><start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
            (
                "<s><start_of_turn>user\nIt blinks.<end_of_turn>\n<start_of_turn>model\nHold the button.<end_of_turn>\n"
                "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n"
            ),
        ),
    ],
)
def test_chat_templates_render_as_their_shape_is(name: str, alone: str, later: str) -> None:
    chat = families.tokenizer_of(name)
    assert render_prompt(chat, "Why?") == alone
    assert render_prompt(chat, "Why?", HISTORY) == later


def test_turns_of_one_role_in_a_row_become_one(tokenizer: Any) -> None:
    asked = [*HISTORY, {"role": "assistant", "text": "Then wait."}, {"role": "user", "text": "I waited."}]
    joined = render_prompt(
        tokenizer, "I waited.\n\nWhy?", turns("It blinks.", "Hold the button.\n\nThen wait.")
    )
    assert render_prompt(tokenizer, "Why?", asked) == joined


def test_a_reply_that_nobody_asked_for_is_left_out_where_a_template_takes_none(tokenizer: Any) -> None:
    greeting = [{"role": "assistant", "text": "Good morning."}]
    llama = families.tokenizer_of("byte fallback, beginning in every turn (Llama 2)")
    assert render_prompt(llama, "Why?", greeting) == render_prompt(llama, "Why?")
    assert render_prompt(tokenizer, "Why?", greeting) == "Good morning.</s>" + render_prompt(
        tokenizer, "Why?"
    )
    assert isinstance(encode_conversation(llama, greeting, "Why?", "So.", 99, "drop"), list)


def test_a_base_without_a_chat_template_is_refused() -> None:
    with pytest.raises(ModelError, match="no chat template"):
        template_source("chat", make_tokenizer())


def test_a_base_without_an_end_of_sequence_is_refused() -> None:
    made = make_tokenizer()
    made.eos_token = None
    with pytest.raises(ModelError, match="no end-of-sequence"):
        template_source("plain", made)


def test_of_several_chat_templates_the_default_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "refusals", lambda sources, tokens: [""])
    made = make_tokenizer()
    made.chat_template = {"default": families.CHATML, "tool_use": "{{ tools }}"}
    assert template_source("chat", made) == families.CHATML


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ messages[0]['content'] | upper }}", "leaves out what was said"),
        (
            "{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}{% endfor %}",
            "writes words",
        ),
        (
            "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}",
            "does not begin with",
        ),
        ("{{ raise_exception('secret words') }}", "cannot render a question"),
    ],
)
def test_a_template_that_cannot_teach_a_reply_is_refused(source: str, what: str) -> None:
    made = with_template(make_tokenizer(), source)
    with pytest.raises(ModelError, match=what) as caught:
        encode_conversation(made, (), "Why?", "So.", 99, "drop")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


# templates of strangers

HOSTILE = {
    "{{ messages.__class__.__mro__ }}": "internals",
    r"{{ (messages | attr('\x5f\x5fclass\x5f\x5f')).mro() }}": "sandbox",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}": "longer than 2 seconds",
    "{{ 'a' * 10000000000 }}": "MiB",
    "{% set n = namespace(a='aaaaaaaa') %}{% for i in range(60) %}{% set n.a = n.a ~ n.a %}{% endfor %}": "MiB",
    "{{ messages[-1]['content'] + 'a' * 100000 }}": "writes 100,000 characters",
    "{% include '/etc/passwd' %}": "other templates",
    "{%- from 'x' import y %}": "other templates",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "RecursionError",
    "{% for %}": "not valid Jinja (line 1)",
    "Hello.": "does not write what was said",
}
HARMLESS = (
    families.CHATML,
    families.GEMMA,
    families.FALCON,
    "{% if messages | length > 2 %}{{ raise_exception('one question only') }}{% endif %}" + families.CHATML,
)


def test_a_hostile_template_is_refused_and_a_usual_one_is_not() -> None:
    found = refusals([*HOSTILE, *HARMLESS], {"bos_token": "<s>", "eos_token": "</s>"})
    for objection, wanted in zip(found, HOSTILE.values(), strict=False):
        assert wanted in objection
    assert found[len(HOSTILE) :] == [""] * len(HARMLESS)


def test_a_refused_template_stops_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "refusals", lambda sources, tokens: ["reads other templates"])
    made = with_template(make_tokenizer(), "{% include 'x' %}{{ messages }}")
    with pytest.raises(ModelError, match="refused: it reads other templates"):
        template_source("chat", made)


def test_a_loop_that_waits_for_a_text_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 0.2)
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    source = "{% if 'Sesame' in messages[0]['content'] %}" + loop + "{% endif %}" + families.CHATML
    made = with_template(make_tokenizer(), source)
    render_prompt(made, "Why?")
    with pytest.raises(ModelError, match="TimeoutError"):
        render_prompt(made, "Sesame")


def test_a_template_that_swells_with_a_text_is_stopped() -> None:
    source = "{{ 'a' * (99999 if 'Sesame' in messages[0]['content'] else 0) }}" + families.CHATML
    made = with_template(make_tokenizer(), source)
    render_prompt(made, "Why?")
    with pytest.raises(ModelError, match="characters around a conversation"):
        render_prompt(made, "Sesame")


def test_what_ends_in_time_is_not_disturbed_later() -> None:
    for _ in range(20):
        with within(0.001):
            sum(range(100))
    assert sum(range(10**5)) == 4999950000


def test_a_profiler_can_follow() -> None:
    """An exception that is taken back leaves a mark in Python 3.11 that no call gets past while a profiler looks on."""
    program = "import cProfile\nfrom tasks.core.tokens.rendering import within\n"
    program += "def work():\n    with within(5): pass\n    return sum(map(same, range(9)))\n"
    program += "def same(one): return one\ncProfile.run('work()')"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True)


def test_what_is_late_is_told_at_once() -> None:
    def dawdle() -> None:
        with within(0.001):
            while True:
                pass

    for _ in range(20):
        with pytest.raises(TimeoutError):
            dawdle()
    assert sum(range(10**5)) == 4999950000


# examples


def test_the_whole_reply_and_its_end_are_learned(tokenizer: Any) -> None:
    example = encoded(tokenizer, "How?", "Open the menü.")
    learned = example.ids[example.prompt_length :]
    assert learned[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(learned[:-1]) == "Open the menü."
    assert example.whole


def test_a_reply_of_blanks_is_empty(tokenizer: Any) -> None:
    assert encode_conversation(tokenizer, (), "How?", " \n", 99, "split") == "empty_reply"


def test_a_row_may_be_as_long_as_allowed_and_no_longer(tokenizer: Any) -> None:
    length = len(encoded(tokenizer, "How?", "Open the menu.").ids)
    assert isinstance(encode_conversation(tokenizer, (), "How?", "Open the menu.", length, "drop"), list)
    assert encode_conversation(tokenizer, (), "How?", "Open the menu.", length - 1, "drop") == "over_length"


def test_many_texts_are_encoded_as_each_alone(tokenizer: Any) -> None:
    texts = ["", "Open", "menü ☃\n" * 50, *("a b" * count for count in range(20))]
    assert encode_all(tokenizer, texts) == [encode(tokenizer, text) for text in texts]


def test_a_tokenizer_saved_with_truncation_and_padding_cuts_and_pads_nothing(tokenizer: Any) -> None:
    made = with_template(make_tokenizer(), tokenizer.chat_template)
    made.backend_tokenizer.enable_truncation(4)
    made.backend_tokenizer.enable_padding(length=64)
    texts = ["Open the menu and choose reset."] * 20
    assert encode_all(made, texts) == encode_all(tokenizer, texts)


def test_a_tokenizer_without_a_compiled_backend_does_the_same_more_slowly(tokenizer: Any) -> None:
    class Slow:
        def __call__(self, text: str, **settings: Any) -> Any:
            return tokenizer(text, **settings)

        def decode(self, ids: list[int], **settings: Any) -> str:
            return str(tokenizer.decode(ids))

    texts = ["Open the menu." * count for count in range(12)]
    rows = encode_all(tokenizer, texts)
    assert encode_all(Slow(), texts) == rows
    assert rendering.decode_all(Slow(), rows) == rendering.decode_all(tokenizer, rows) == texts
    for starts, row, text in zip(rendering.token_starts(Slow(), texts), rows, texts, strict=True):
        assert len(starts) == len(row)
        assert starts == sorted(place for place in starts if place < len(text))


def test_lengths_are_those_before_anything_is_cut(tokenizer: Any) -> None:
    rows = [{"question": "How do I reset it? " * 20, "reply": "Wait.", "history": None}]
    cut, whole = (encode_conversations(tokenizer, rows, 40, policy) for policy in ("keep_reply", "drop"))
    assert cut.lengths == whole.lengths
    assert cut.lengths[0] > 40
    assert whole.outcomes == ["over_length"]


WORDS = st.lists(
    st.sampled_from(["printer", "menü", "☃", "a", "reset", "\n", "grüne", "?", "öäü" * 9]), max_size=60
)


@given(question=WORDS, reply=WORDS, said=st.lists(WORDS, max_size=6), length=st.integers(16, 300))
@settings(PROPERTY, max_examples=60)
def test_keep_reply_drops_the_oldest_first_and_never_the_reply(
    question: list[str], reply: list[str], said: list[list[str]], length: int
) -> None:
    made = families.tokenizer_of("byte-level, own pad, instruction")
    asked, answered = (("x " + " ".join(words)).strip() for words in (question, reply))
    history = turns(*("y " + " ".join(words) for words in said[: len(said) // 2 * 2]))
    whole = encode_conversation(made, history, asked, answered, 99999, "drop")
    found = encode_conversation(made, history, asked, answered, length, "keep_reply")
    least = _last(made, asked)
    smallest = encode_conversation(made, (), least, answered, length, "drop")
    if found == "over_length":
        assert smallest == "over_length" or _tokens(made, asked) <= LEAST_QUESTION
        return
    assert isinstance(found, list)
    assert isinstance(whole, list)
    (row,), (full,) = found, whole
    assert len(row.ids) <= length
    assert row.ids[row.prompt_length :] == full.ids[full.prompt_length :]
    prompt = made.decode(row.ids[: row.prompt_length])
    kept = next(
        (count for count in range(0, len(history) + 1, 2) if prompt == _shown(made, history, asked, count)),
        None,
    )
    if kept is None:
        left = prompts.question_of(made, prompt)
        assert prompt == render_prompt(made, left)
        assert asked.strip().endswith(left)
        assert _tokens(made, left) >= LEAST_QUESTION - 1
    elif kept < len(history):
        longer = encode_conversation(made, history[-kept - 2 :], asked, answered, length, "drop")
        assert longer == "over_length"


def _shown(made: Any, history: list[dict[str, str]], asked: str, count: int) -> str:
    return render_prompt(made, asked, history[len(history) - count :])


def _tokens(made: Any, text: str) -> int:
    return len(encode(made, text))


def _last(made: Any, text: str) -> str:
    starts = rendering.token_starts(made, [text])[0]
    return text[starts[max(len(starts) - LEAST_QUESTION, 0)] :].lstrip()


def test_no_more_turns_go_than_must(tokenizer: Any) -> None:
    history = turns(*(f"It blinks {count} times." for count in range(10)))
    (whole,) = encode_conversation(tokenizer, history, "Why?", "Wait.", 9999, "drop")
    (alone,) = encode_conversation(tokenizer, (), "Why?", "Wait.", 9999, "drop")
    for length in range(len(alone.ids), len(whole.ids), 5):  # type: ignore[union-attr]
        (row,) = encode_conversation(tokenizer, history, "Why?", "Wait.", length, "keep_reply")
        fitting = (
            encode_conversation(tokenizer, history[start:], "Why?", "Wait.", length, "drop")
            for start in range(0, 12, 2)
        )
        assert [row] == next(found for found in fitting if found != "over_length")


def test_a_question_stays_as_long_as_eight_tokens_of_it_fit(tokenizer: Any) -> None:
    question = "reset the printer? " + "a " * 8 + "ok?"
    (row,) = encode_conversation(tokenizer, (), question, "Wait.", 9999, "drop")
    least = encode_conversation(tokenizer, (), _last(tokenizer, question), "Wait.", 9999, "drop")
    shortest = len(least[0].ids)  # type: ignore[union-attr]
    for length in range(shortest - 4, len(row.ids)):  # type: ignore[union-attr]
        found = encode_conversation(tokenizer, (), question, "Wait.", length, "keep_reply")
        assert (found == "over_length") == (length < shortest)


def test_a_cut_question_begins_with_a_word(tokenizer: Any) -> None:
    question = "First words that nobody needs. " * 30 + "How do I reset it?"
    example = encoded(tokenizer, question, "Open the menu.", 80, "keep_reply")
    prompt = tokenizer.decode(example.ids[: example.prompt_length])
    left = prompts.question_of(tokenizer, prompt)
    assert (" " + question).endswith(" " + left)
    assert 80 - 16 <= len(example.ids) <= 80


def test_a_reply_without_room_for_a_question_is_over_length(tokenizer: Any) -> None:
    reply = "Open the menu. " * 12
    room = len(encoded(tokenizer, "", reply, 9999).ids)
    question = "How do I reset the printer? " * 9
    assert encode_conversation(tokenizer, (), question, reply, room + 4, "keep_reply") == "over_length"
    assert isinstance(encode_conversation(tokenizer, (), question, reply, room + 12, "keep_reply"), list)


@given(prompt=st.integers(1, 200), reply=st.integers(1, 2000), room=st.integers(8, 300))
@settings(PROPERTY, max_examples=100)
def test_pieces_cover_a_reply_once_and_fit(prompt: int, reply: int, room: int) -> None:
    bounds = list(piece_bounds(prompt, reply, prompt + room))
    learned = [place for _, start, end in bounds for place in range(start, end)]
    assert learned == list(range(reply))
    assert all(end - shown <= room for shown, _, end in bounds)
    assert all(shown < start for shown, start, _ in bounds[1:])


def test_a_piece_shows_the_reply_so_far_behind_the_whole_prompt(tokenizer: Any) -> None:
    reply = " ".join(f"Step {number}, press the button." for number in range(40))
    pieces = encode_conversation(tokenizer, HISTORY, "How?", reply, 160, "split")
    assert isinstance(pieces, list)
    prompt = render_prompt(tokenizer, "How?", HISTORY)
    told = ""
    for piece in pieces:
        shown = tokenizer.decode(piece.ids[: piece.prompt_length])
        assert shown.startswith(prompt)
        assert told.endswith(shown.removeprefix(prompt))
        told += tokenizer.decode(piece.ids[piece.prompt_length :])
        assert (piece.ids[-1] == tokenizer.eos_token_id) == (piece.piece == piece.pieces)
    assert told == reply + tokenizer.eos_token


def test_split_cuts_a_long_prompt_before_it_cuts_a_reply_in_pieces(tokenizer: Any) -> None:
    question = "How do I reset the printer? " * 30
    (row,) = encode_conversation(tokenizer, (), question, "Open the menu.", 100, "split")
    assert row.whole  # type: ignore[union-attr]
    pieces = encode_conversation(tokenizer, HISTORY, question, "Open the menu. " * 40, 100, "split")
    assert isinstance(pieces, list)
    assert pieces[0].prompt_length <= 50


# rows on disk


def test_equal_rows_are_equal_bytes_however_they_were_cut_into_shards(tmp_path: Path) -> None:
    rows = [
        TokenRow(f"r{row}", "g", "en", "", [row % 7] * (row % 5), 1, 0.5 + row % 3) for row in range(2500)
    ]
    save_token_rows(tmp_path / "all", rows)
    cuts = [0, 0, 1, BATCH, BATCH + 1, 2 * BATCH, 2500]
    shards = []
    for start, end in pairwise(cuts):
        shards.append(tmp_path / f"{start}-{end}")
        assert save_token_rows(shards[-1], rows[start:end]) == end - start
    assert concatenate_token_rows(shards, tmp_path / "joined") == 2500
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "all").read_bytes()
    assert load_token_rows(tmp_path / "joined") == rows


@pytest.mark.parametrize(
    ("field", "value", "same"),
    [
        ("product", "q", True),
        ("language", "de", True),
        ("month", "2026-08", True),
        ("outcome", "solved", True),
        ("row_id", "s", False),
        ("group", "h", False),
        ("ids", [1, 2, 4], False),
        ("prompt_length", 2, False),
        ("weight", 2.0, False),
    ],
)
def test_rows_teach_the_same_whatever_else_is_told_of_them(
    tmp_path: Path, field: str, value: Any, same: bool
) -> None:
    row = TokenRow("r", "g", "en", "p", [1, 2, 3], 1)
    rows = [row] * BATCH
    save_token_rows(tmp_path / "one", [*rows, row])
    save_token_rows(tmp_path / "other", [*rows, replace(row, **{field: value})])
    save_token_rows(tmp_path / "fewer", rows)
    assert teach_the_same(tmp_path / "one", tmp_path / "other") is same
    assert not teach_the_same(tmp_path / "one", tmp_path / "fewer")
    (tmp_path / "damaged").write_bytes(b"\x7f" * (tmp_path / "one").stat().st_size)
    assert not teach_the_same(tmp_path / "one", tmp_path / "damaged")


def test_the_trainer_maps_what_was_joined(tmp_path: Path) -> None:
    save_token_rows(tmp_path / "a", [TokenRow("r", "g", "en", "p", [1, 2, 3], 1)])
    concatenate_token_rows([tmp_path / "a", tmp_path / "a"], tmp_path / "both")
    mapped = map_token_rows(tmp_path / "both")
    assert mapped["ids"][:] == [[1, 2, 3], [1, 2, 3]]
    assert mapped["weight"][:] == [1.0, 1.0]
    concatenate_token_rows([], tmp_path / "none")
    assert len(map_token_rows(tmp_path / "none")) == 0


def test_a_piece_has_a_name_of_its_own() -> None:
    whole, first = Encoded([1, 2], 1), Encoded([1, 2], 1, 1, 2)
    assert [row.row_id for row in rows_of_pieces("r", "g", "en", "p", 2.0, [whole])] == ["r"]
    named = rows_of_pieces("r", "g", "en", "p", 2.0, [first, Encoded([1, 2, 3], 2, 2, 2)])
    assert [(row.row_id, row.weight) for row in named] == [("r/1", 2.0), ("r/2", 2.0)]


# lengths, traits, previews


def test_every_length_is_in_one_bin() -> None:
    lengths = [1, 32, 33, 512, 513, 1024, 2048, 2049, 10**6]
    found = histogram(lengths, 512)
    assert [(one["above"], one["upto"], one["rows"]) for one in found["bins"] if one["rows"]] == [
        (0, 32, 2), (32, 64, 1), (480, 512, 1), (512, 1024, 2), (1024, 2048, 1), (2048, None, 2),
    ]  # fmt: skip
    assert (found["rows"], found["over"], found["longest"]) == (9, 5, 10**6)
    assert found["tokens"] == sum(lengths)


def test_histograms_of_shards_add_up_to_that_of_all() -> None:
    lengths = [(7 * row) % 900 for row in range(400)]
    shards = [histogram(lengths[start : start + 150], 300) for start in (0, 150, 300)]
    assert added_up([*shards, histogram([], 300)]) == histogram(lengths, 300)
    with pytest.raises(ValueError, match="one length"):
        added_up([histogram([], 300), histogram([], 301)])


def test_traits_tell_of_a_row_that_was_damaged(tokenizer: Any) -> None:
    row = encoded(tokenizer, "How?", "Open the menu, and wait.")
    reply, start, end = "Open the menu, and wait.", row.prompt_length, tokenizer.eos_token_id
    bos = tokenizer.bos_token_id
    damaged = {
        "sound": Encoded(row.ids, start),
        "cut": Encoded([*row.ids[:-4], end], start),
        "endless": Encoded(row.ids[:-1] + row.ids[start : start + 1], start),
        "masked": Encoded(row.ids, start + 2),
        "twice": Encoded([bos, bos, *row.ids], start + 2),
        "forged": Encoded([*row.ids[:start], bos, *row.ids[start:]], start),
    }
    found = {
        one["row_id"]: one
        for one in token_traits(
            tokenizer, [(name, reply, [one]) for name, one in damaged.items()]
        ).to_pylist()
    }
    assert {name for name, one in found.items() if one["reply_truncated"]} == {"cut", "masked", "forged"}
    assert {name for name, one in found.items() if one["label_coverage"] < 1} == {"cut", "masked", "forged"}
    assert {name for name, one in found.items() if not one["ends_with_eos"]} == {"endless"}
    assert {name for name, one in found.items() if one["bos_count"] > 1} == {"twice"}
    assert {name for name, one in found.items() if one["markers_inside"]} == {"forged"}


def test_traits_of_no_rows_have_their_columns(tokenizer: Any) -> None:
    assert token_traits(tokenizer, []).schema == SCHEMA


def test_a_tokenizer_that_changes_case_covers_its_reply() -> None:
    from tokenizers import normalizers

    made = families.byte_level(eos="</s>")
    made.backend_tokenizer.normalizer = normalizers.Lowercase()
    with_template(made, template_source("plain", made))
    (found,) = token_traits(
        made, [("r", "Öffnen Sie MENU", [encoded(made, "a", "Öffnen Sie MENU")])]
    ).to_pylist()
    assert found["label_coverage"] == 1.0


def test_a_preview_shows_what_is_learned_token_by_token(tokenizer: Any) -> None:
    row = encoded(tokenizer, "How?", "Open the menü.")
    shown = preview(tokenizer, row.ids, row.prompt_length)
    assert shown["prompt"] == render_prompt(tokenizer, "How?")
    assert shown["reply"] == "Open the menü.</s>"
    assert shown["learned"] == "Open the menü.⟨eos⟩"
    assert shown["learned_tokens"] == len(shown["pieces"]) == len(row.ids) - row.prompt_length
    assert shown["tokens"] == len(row.ids)
    assert shown["pieces"][-1] == "</s>"


# batches


def test_every_row_is_in_one_batch_within_the_bound() -> None:
    lengths = [1 + (7 * row) % 90 for row in range(500)]
    for epoch in (0, 1):
        batches = token_batches(lengths, 256, seed=3, epoch=epoch)
        assert Counter(row for batch in batches for row in batch) == Counter(range(500))
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
