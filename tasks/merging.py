"""Merging: the adapter becomes part of the base's weights, and the result is proven to be the trained model."""

import json
from pathlib import Path

from tasks.core.errors import ModelError
from tasks.core.model.adapters import is_beside
from tasks.core.model.loading import load_tokenizer
from tasks.core.model.merged_weights import (
    NAMES,
    Example,
    MergeProof,
    adapted_base,
    compare_logits,
    load_merged,
    reply_logits,
    save_merged,
)
from tasks.core.receipts import Adapter, BaseModel, MergedModel, TokenRows
from tasks.core.settings import ModelSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_files, digest_folder
from tasks.core.tokens.storing import HELD_OUT, TOKENIZER, load_token_rows
from tasks.lid import step

PROOF, MODEL = "proof.json", "model"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes")


@step("merging", MergedModel, libraries=LIBRARIES, tags=("gpu",))
def merge_adapter(
    draft: Draft,
    adapter: Adapter,
    base: BaseModel,
    held: BaseModel,
    rows: TokenRows,
    model: ModelSettings,
    merge_rows: int,
    max_difference: float,
    min_match: float,
) -> MergedModel:
    """Merge, save with the tokenizer and its template, load what was saved, and compare it with what was trained."""
    workspace = draft.workspace
    examples, target = _examples(workspace, rows, merge_rows), draft.folder / MODEL

    adapted = adapted_base(
        base.folder(workspace),
        adapter.folder(workspace),
        model.quantization,
        double_quant=model.double_quant,
        dtype=model.dtype,
        held=held.folder(workspace),
    )
    trained = list(reply_logits(adapted, examples))
    beside = is_beside(adapted)
    save_merged(adapted, target, model.dtype, adapter.folder(workspace))
    load_tokenizer(rows.folder(workspace) / TOKENIZER).save_pretrained(target)
    del adapted
    proof = compare_logits(trained, reply_logits(load_merged(target), examples))
    _insist(proof, max_difference, min_match)

    facts = {**proof.to_json(), "beside" if beside else "merged_into": NAMES[model.quantization]}
    (draft.folder / PROOF).write_text(json.dumps(facts, indent=1))
    return draft.seal(MergedModel, digest=digest_files(digest_folder(target)), proof=facts)


def _examples(workspace: Path, rows: TokenRows, count: int) -> list[Example]:
    """Take the first `count` held-out rows by id, which is a fixed draw from all of them."""
    held_out = sorted(load_token_rows(rows.folder(workspace) / HELD_OUT), key=lambda row: row.row_id)
    return [(row.ids, row.prompt_length) for row in held_out[:count]]


def _insist(proof: MergeProof, max_difference: float, min_match: float) -> None:
    if not (proof.max_abs_diff <= max_difference and proof.greedy_match >= min_match):  # NaN fails
        raise ModelError(
            f"The merged model is not the trained one: logits differ by up to {proof.max_abs_diff:.3g} "
            f"(limit {max_difference:g}) and {proof.greedy_match:.1%} of {proof.positions} tokens agree "
            f"(limit {min_match:.0%}).",
            cure="Serve base and adapter unmerged, or raise evaluation.max_merge_difference if the replies are good.",
        )
