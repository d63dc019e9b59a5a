"""Vocabularies: a tokenizer in a GGUF file's own words, or a refusal where llama.cpp would cut a text otherwise."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tasks.core.export.architectures import Fact
from tasks.core.export.byte_level import byte_level_facts
from tasks.core.export.pieces import Pieces
from tasks.core.export.refusing import cannot_say
from tasks.core.export.sentence_pieces import sentence_piece_facts

NORMAL, UNKNOWN, CONTROL, OWN, UNUSED = 1, 2, 3, 4, 5  # how llama.cpp numbers the kinds of tokens
COMPOSED = "The tokenizer composes accents first (NFC), which llama.cpp does not do: send it text that is composed already."


@dataclass(frozen=True)
class Vocabulary:
    """What llama.cpp is told of a tokenizer, and what whoever feeds it must know."""

    facts: dict[str, Fact]
    limits: tuple[str, ...] = ()


def vocabulary_of(tokenizer: Any, rows: int) -> Vocabulary:
    """Read a tokenizer; the file has as many tokens as the model has `rows` of embeddings, those beyond the tokenizer's unused.

    Raises `ModelError` when llama.cpp would cut a text into other tokens.
    """
    pieces = Pieces.of(tokenizer)
    if not isinstance(tokenizer.chat_template, str):
        raise cannot_say("its tokenizer has no chat template")
    if tokenizer.bos_token_id is None and "bos_token" in tokenizer.chat_template:
        raise cannot_say("its chat template writes a beginning of sequence, and its tokenizer has none")
    kinds = _kinds(pieces, tokenizer)
    facts = byte_level_facts(pieces) if pieces.is_byte_level else sentence_piece_facts(pieces, rows, kinds)
    facts |= _token_facts(pieces, rows, kinds) | _special_facts(tokenizer)
    named = {f"tokenizer.ggml.{key}": fact for key, fact in facts.items()}
    limits = (COMPOSED,) if pieces.is_byte_level and pieces.normalizers else ()
    return Vocabulary(named | {"tokenizer.chat_template": tokenizer.chat_template}, limits)


def _kinds(pieces: Pieces, tokenizer: Any) -> dict[int, int]:
    """Give the kind of every token that was added to the vocabulary: it is found in a text before the text is cut."""
    for one in pieces.added:
        if one["lstrip"] or one["rstrip"] or one["single_word"]:
            raise cannot_say(f"its token {one['id']} takes the white space around it, or stands alone")
        if one["normalized"] and pieces.changes_text:
            raise cannot_say(f"its token {one['id']} is looked for in a text that was changed already")
    _insist_on_one_order([one["content"] for one in pieces.added])
    kinds = {one["id"]: CONTROL if one["special"] else OWN for one in pieces.added}
    if not pieces.is_byte_level and tokenizer.unk_token_id is not None:
        kinds[tokenizer.unk_token_id] = UNKNOWN
    return kinds


def _insist_on_one_order(texts: Sequence[str]) -> None:
    """Insist that added tokens do not overlap: transformers takes the first in a text, llama.cpp the longest."""
    beginning: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        for end in range(1, len(text)):
            beginning[text[:end]].add(text)
    for text in texts:
        others = {other for start in range(1, len(text)) for other in beginning.get(text[start:], ())} - {
            text
        }
        if any(len(other) >= len(text) for other in others):
            raise cannot_say("one of its added tokens may begin inside another, and which one counts differs")


def _token_facts(pieces: Pieces, rows: int, kinds: Mapping[int, int]) -> dict[str, Fact]:
    texts = {number: text for text, number in pieces.vocabulary.items()}
    texts |= {one["id"]: one["content"] for one in pieces.added}
    if max(texts) >= rows:
        raise cannot_say(f"its tokenizer has a token {max(texts)}, and the model {rows:,} rows of embeddings")
    tokens = [texts.get(number, f"[PAD{number}]") for number in range(rows)]
    if len(set(tokens)) < rows or "" in tokens:
        raise cannot_say("two of its tokens have the same text, or one has none")
    bytes_of = pieces.byte_tokens
    types = [
        kinds.get(number, UNUSED if number not in texts else bytes_of.get(number, NORMAL))
        for number in range(rows)
    ]
    return {"tokens": tokens, "token_type": types}


def _special_facts(tokenizer: Any) -> dict[str, Fact]:
    before, after = _added_around(tokenizer)
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "unknown_token_id": tokenizer.unk_token_id,
        "padding_token_id": tokenizer.pad_token_id,
    }
    facts: dict[str, Fact] = {name: number for name, number in ids.items() if number is not None}
    return facts | {"add_bos_token": before, "add_eos_token": after}


def _added_around(tokenizer: Any) -> tuple[bool, bool]:
    """Say whether the tokenizer begins and ends a text by itself."""
    bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("a")["input_ids"])
    for before, after in product((False, True), repeat=2):
        if whole == [tokenizer.bos_token_id] * before + bare + [tokenizer.eos_token_id] * after:
            return before, after
    raise cannot_say(
        "its tokenizer writes something else around a text than its beginning and end of sequence"
    )
