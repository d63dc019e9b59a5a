"""Token gathering: the token rows of all shards become one set, beside the tokenizer with its template."""

import json

from tasks.core.errors import DataError
from tasks.core.model.loading import load_tokenizer
from tasks.core.receipts import BaseModel, TokenRows, TokenShard
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_folder, digest_value
from tasks.core.store.ledger import add_counts
from tasks.core.store.rows import read_rows, write_rows
from tasks.core.tokens.lengths import added_up
from tasks.core.tokens.prompts import TemplateName, template_source, with_template
from tasks.core.tokens.storing import (
    HELD_OUT,
    LENGTHS,
    SAMPLES,
    TOKENIZER,
    TRAIN,
    concatenate_token_rows,
    count_groups,
)
from tasks.lid import step

SHOWN = 3  # samples
SIZES = ("train", "held_out", "tokens", "reply_tokens", "pieces")
TAUGHT = (TRAIN, HELD_OUT, TOKENIZER)  # what training and judging depend on; the rest is for people


@step("token_gathering", TokenRows, libraries=("transformers", "tokenizers", "pyarrow"))
def gather_token_rows(
    draft: Draft, shards: tuple[TokenShard, ...], base: BaseModel, template: TemplateName
) -> TokenRows:
    """Join the token rows of all shards, and insist that there is something to teach and to judge by."""
    folders = [shard.folder(draft.workspace) for shard in shards]
    tokenizer = load_tokenizer(base.folder(draft.workspace))
    with_template(tokenizer, template_source(template, tokenizer))
    counts = add_counts(shard.counts for shard in shards)
    counts |= {size: sum(shard.counts[size] for shard in shards) for size in SIZES}

    for name in (TRAIN, HELD_OUT):
        concatenate_token_rows((folder / name for folder in folders), draft.folder / name)
    _insist_on_both(counts["train"], counts["held_out"], count_groups(draft.folder / HELD_OUT))

    samples = [sample for folder in folders for sample in read_rows(folder / SAMPLES)]
    write_rows(draft.folder / SAMPLES, samples[:SHOWN])
    lengths = added_up([json.loads((folder / LENGTHS).read_bytes()) for folder in folders])
    (draft.folder / LENGTHS).write_text(json.dumps(lengths))
    tokenizer.save_pretrained(draft.folder / TOKENIZER)
    files = {name: sha for name, sha in digest_folder(draft.folder).items() if name.startswith(TAUGHT)}
    return draft.seal(TokenRows, counts=counts, digest=digest_value(files))


def _insist_on_both(train: int, held_out: int, requesters: int) -> None:
    empty = [name for name, count in (("train", train), ("held_out", held_out)) if not count]
    if empty:
        raise DataError(
            f"No {' and no '.join(empty)} row fits tokens.max_length.",
            cure="Raise tokens.max_length, or set tokens.over_length=keep_reply.",
        )
    if requesters < 2:
        raise DataError(
            "All held-out rows are of one requester, and one voice cannot tell a gain from noise.",
            cure="Give logs of more requesters, or raise format.held_out.",
        )
