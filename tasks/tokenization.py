"""Tokenization: the examples of a shard become token ids with masked prompts; a reply is never cut."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from expectations.suites import build_suite
from tasks.core.intake.times import parse_time
from tasks.core.model.loading import load_tokenizer
from tasks.core.quality.checking import check_rows
from tasks.core.quality.results import QualityResult
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import BaseModel, ExampleShard, SuiteText, TokenShard
from tasks.core.settings import TokensSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import Entry, Fate, account, write_ledger
from tasks.core.store.rows import ROWS, read_table, write_rows
from tasks.core.tokens.encoded import Encoded
from tasks.core.tokens.lengths import histogram
from tasks.core.tokens.masking import encode_conversations
from tasks.core.tokens.preview import preview
from tasks.core.tokens.prompts import TemplateName, template_source, with_template
from tasks.core.tokens.storing import (
    HELD_OUT,
    LENGTHS,
    SAMPLES,
    TRAIN,
    TokenRow,
    rows_of_pieces,
    save_token_rows,
)
from tasks.core.tokens.traits import token_traits
from tasks.lid import step

SHOWN = 3  # samples for people to look at
CHUNK = 2000  # rows encoded in one call of the tokenizer
FATES: dict[str, Fate] = {
    "over_length": "over_length",
    "control_token": "quarantined",
    "unknown_token": "quarantined",
    "empty_reply": "quarantined",
}
Row = Mapping[str, Any]
OUTCOMES = {True: "solved", False: "not solved", None: ""}


@step("tokenization", TokenShard, libraries=("transformers", "tokenizers", "great-expectations", "pyarrow"))
def tokenize_shard(
    draft: Draft,
    examples: ExampleShard,
    base: BaseModel,
    tokens: TokensSettings,
    template: TemplateName,
    suite: SuiteText,
    on_failure: str,
) -> TokenShard:
    """Encode the examples of a shard with the base's tokenizer, and check every row."""
    table = read_table(examples.folder(draft.workspace) / ROWS)
    tokenizer = load_tokenizer(base.folder(draft.workspace))
    with_template(tokenizer, template_source(template, tokenizer))

    encoded, entries, lengths = _encode(table, tokenizer, tokens)
    kept, result, broken = _check(table, encoded, tokenizer, tokens.max_length, suite, on_failure)
    counts = account(examples.counts, len(kept), [*entries, *broken])
    parts = {part: [row for row in kept if row["split"] == part] for part in ("train", "held_out")}

    for part, name in (("train", TRAIN), ("held_out", HELD_OUT)):
        save_token_rows(draft.folder / name, _token_rows(parts[part], encoded))
    write_rows(draft.folder / SAMPLES, [_sample(row, encoded, tokenizer) for row in parts["train"][:SHOWN]])
    write_ledger(draft.folder, "tokenization", [*entries, *broken])
    (draft.folder / LENGTHS).write_text(json.dumps(histogram(lengths, tokens.max_length)))
    (draft.folder / "quality.json").write_text(json.dumps(result.to_json(), indent=1))
    return draft.seal(TokenShard, counts=counts | _sizes(parts, encoded))


def _encode(
    table: pa.Table, tokenizer: Any, tokens: TokensSettings
) -> tuple[dict[str, list[Encoded]], list[Entry], list[int]]:
    encoded: dict[str, list[Encoded]] = {}
    entries, lengths = [], list[int]()
    for start in range(0, len(table), CHUNK):
        rows = table.slice(start, CHUNK).to_pylist()
        done = encode_conversations(tokenizer, rows, tokens.max_length, tokens.over_length)
        lengths += done.lengths
        for row, outcome in zip(rows, done.outcomes, strict=True):
            if isinstance(outcome, list):
                encoded[row["row_id"]] = outcome
            else:
                entries.append(_rejected(row, outcome, tokens.max_length))
    return encoded, entries, lengths


def _rejected(row: Row, rule: str, max_length: int) -> Entry:
    reason = f"more than {max_length} tokens" if rule == "over_length" else rule.replace("_", " ")
    return Entry(row["row_id"], row["line"], FATES[rule], rule, reason, row=row)


def _check(
    table: pa.Table,
    encoded: Mapping[str, list[Encoded]],
    tokenizer: Any,
    max_length: int,
    suite: SuiteText,
    on_failure: str,
) -> tuple[list[Row], QualityResult, list[Entry]]:
    rows = table.filter(pa.array([name in encoded for name in table["row_id"].to_pylist()], pa.bool_()))
    names, replies = rows["row_id"].to_pylist(), rows["reply"].to_pylist()
    traits = token_traits(
        tokenizer, [(name, reply, encoded[name]) for name, reply in zip(names, replies, strict=True)]
    )
    result = check_rows(traits, build_suite(suite.text, max_length=max_length))
    kept, entries = quarantine(rows, result, on_failure)
    return kept.to_pylist(), result, entries


def _token_rows(rows: Sequence[Row], encoded: Mapping[str, list[Encoded]]) -> list[TokenRow]:
    return [
        token_row
        for row in rows
        for token_row in rows_of_pieces(
            row["row_id"],
            row["group"],
            row["language"],
            row["product"],
            row["weight"],
            encoded[row["row_id"]],
            _month(row["created"]),
            OUTCOMES[row["solved"]],
        )
    ]


def _month(created: str) -> str:
    time = parse_time(created) if created else None
    return f"{time:%Y-%m}" if time else ""


def _sample(row: Row, encoded: Mapping[str, list[Encoded]], tokenizer: Any) -> dict[str, Any]:
    first = encoded[row["row_id"]][0]
    return {**preview(tokenizer, first.ids, first.prompt_length), "language": row["language"]}


def _sizes(parts: Mapping[str, Sequence[Row]], encoded: Mapping[str, list[Encoded]]) -> dict[str, int]:
    train = Counter[str]()
    for row in parts["train"]:
        for one in encoded[row["row_id"]]:
            train.update(tokens=len(one.ids), reply_tokens=len(one.ids) - one.prompt_length, pieces=1)
    sizes = {name: train[name] for name in ("tokens", "reply_tokens", "pieces")}
    return {"train": len(parts["train"]), "held_out": len(parts["held_out"]), **sizes}
