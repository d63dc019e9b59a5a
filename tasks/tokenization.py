"""Tokenization: examples become token ids with masked prompts; a reply is never cut."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from expectations import token_rows
from tasks.core.errors import DataError
from tasks.core.model.loading import load_tokenizer
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import BaseModel, TokenRows, ValidExamples
from tasks.core.settings import TokensSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import Entry, Fate, account, write_ledger
from tasks.core.store.rows import ROWS, read_rows, write_rows
from tasks.core.tokens.masking import Encoded, encode_example
from tasks.core.tokens.prompts import template_source, with_template
from tasks.core.tokens.storing import HELD_OUT, TOKENIZER, TRAIN, TokenRow, save_token_rows
from tasks.lid import step

SAMPLES = "samples.jsonl"
SHOWN = 3  # samples for people to look at, decoded from the very tokens
FATES: dict[str, Fate] = {
    "over_length": "over_length",
    "control_token": "quarantined",
    "empty_reply": "quarantined",
}


@step("tokenization", TokenRows, libraries=("transformers", "tokenizers", "great-expectations"))
def tokenize_examples(
    draft: Draft, examples: ValidExamples, base: BaseModel, tokens: TokensSettings, template: str
) -> TokenRows:
    """Encode examples with the base's tokenizer and check every row; the tokenizer with its template goes along."""
    rows = read_rows(examples.folder(draft.workspace) / ROWS)
    tokenizer = load_tokenizer(base.folder(draft.workspace))
    with_template(tokenizer, template_source(template, tokenizer))  # type: ignore[arg-type]

    encoded, entries = _encode(rows, tokenizer, tokens)
    kept, result, broken = _check(rows, encoded, tokenizer, tokens.max_length)
    entries += broken
    counts = account(examples.counts, len(kept), entries)
    parts = {part: [row for row in kept if row["split"] == part] for part in ("train", "held_out")}
    _insist_on_both(parts)

    for part, name in (("train", TRAIN), ("held_out", HELD_OUT)):
        save_token_rows(draft.folder / name, (_token_row(row, encoded[row["row_id"]]) for row in parts[part]))
    write_rows(draft.folder / SAMPLES, _samples(parts["train"][:SHOWN], encoded, tokenizer))
    write_ledger(draft.folder, "tokenization", entries)
    (draft.folder / "quality.json").write_text(json.dumps(result, indent=1))
    tokenizer.save_pretrained(draft.folder / TOKENIZER)
    return draft.seal(TokenRows, counts=counts | _sizes(parts, encoded))


def _encode(
    rows: Iterable[Mapping[str, Any]], tokenizer: Any, tokens: TokensSettings
) -> tuple[dict[str, Encoded], list[Entry]]:
    encoded, entries = {}, []
    for row in rows:
        outcome = encode_example(
            tokenizer, row["question"], row["reply"], tokens.max_length, tokens.over_length
        )
        if isinstance(outcome, Encoded):
            encoded[row["row_id"]] = outcome
        else:
            reason = (
                f"more than {tokens.max_length} tokens"
                if outcome == "over_length"
                else outcome.replace("_", " ")
            )
            entries.append(Entry(row["row_id"], FATES[outcome], outcome, reason, row))
    return encoded, entries


def _check(
    rows: list[dict[str, Any]], encoded: dict[str, Encoded], tokenizer: Any, max_length: int
) -> tuple[list[Mapping[str, Any]], dict[str, Any], list[Entry]]:
    traits = [
        {
            "row_id": row_id,
            "length": len(item.ids),
            "prompt_length": item.prompt_length,
            "reply_tokens": len(item.ids) - item.prompt_length,
            "ends_with_eos": item.ids[-1] == tokenizer.eos_token_id,
            "bos_count": item.ids.count(tokenizer.bos_token_id) if _has_own_bos(tokenizer) else 0,
        }
        for row_id, item in encoded.items()
    ]
    result = check_rows(traits, token_rows.suite(max_length))
    kept, entries = quarantine([row for row in rows if row["row_id"] in encoded], result, "quarantine")
    return kept, result.to_json(), entries


def _has_own_bos(tokenizer: Any) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer.bos_token_id != tokenizer.eos_token_id


def _token_row(row: Mapping[str, Any], item: Encoded) -> TokenRow:
    return TokenRow(
        row["row_id"], row["group"], row["language"], row["product"], item.ids, item.prompt_length
    )


def _samples(
    rows: list[Mapping[str, Any]], encoded: dict[str, Encoded], tokenizer: Any
) -> Iterable[dict[str, Any]]:
    for row in rows:
        item = encoded[row["row_id"]]
        prompt, reply = item.ids[: item.prompt_length], item.ids[item.prompt_length :]
        yield {
            "prompt": tokenizer.decode(prompt),
            "reply": tokenizer.decode(reply),
            "language": row["language"],
            "tokens": len(item.ids),
        }


def _sizes(parts: dict[str, list[Mapping[str, Any]]], encoded: dict[str, Encoded]) -> dict[str, int]:
    train = [encoded[row["row_id"]] for row in parts["train"]]
    return {
        "train": len(parts["train"]),
        "held_out": len(parts["held_out"]),
        "tokens": sum(len(item.ids) for item in train),
        "reply_tokens": sum(len(item.ids) - item.prompt_length for item in train),
    }


def _insist_on_both(parts: dict[str, list[Mapping[str, Any]]]) -> None:
    empty = [name for name, rows in parts.items() if not rows]
    if empty:
        raise DataError(
            f"No {' and no '.join(empty)} row fits tokens.max_length.",
            cure="Raise tokens.max_length, or set tokens.over_length=cut_prompt.",
        )
    requesters = {row["group"] for row in parts["held_out"]}
    if len(requesters) < 2:
        raise DataError(
            "All held-out rows are of one requester, and one voice cannot tell a gain from noise.",
            cure="Give logs of more requesters, or raise format.held_out.",
        )
