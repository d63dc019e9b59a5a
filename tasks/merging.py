"""Merging: the adapter becomes part of the base's weights, and the result is proven to be the trained model."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import ModelError
from tasks.core.model.adapters import is_beside, load_adapter
from tasks.core.model.loading import load_tokenizer
from tasks.core.model.merge_proof import (
    Example,
    MergeProof,
    ReplyLogits,
    compare_logits,
    load_merged,
    reply_logits,
    trained_model,
)
from tasks.core.model.merging import save_merged
from tasks.core.receipts import Adapter, BaseModel, MergedModel, TokenRows
from tasks.core.settings import ModelSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_files, digest_folder
from tasks.core.tokens.storing import HELD_OUT, TOKENIZER, load_token_rows
from tasks.lid import step

PROOF, MODEL = "proof.json", "model"
BASE = "base"
QUANTIZED = {"nf4": "dequantized NF4 base", "int8": "dequantized int8 base"}
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
    """Merge, save with the tokenizer and its template, load what was saved, and compare it with what was trained.

    Of a quantized base there are two that an adapter may be merged into: its files, and the weights that training held. Both
    are compared with the trained model, and the one that says more nearly the same (by KL divergence) is saved.
    """
    workspace = draft.workspace
    base_folder, adapter_folder = base.folder(workspace), adapter.folder(workspace)
    examples, target = _examples(workspace, rows, merge_rows), draft.folder / MODEL

    trained = trained_model(
        base_folder,
        adapter_folder,
        model.held_as,
        double_quant=model.double_quant,
        dtype=model.dtype,
        held=held.folder(workspace),
    )
    said = list(reply_logits(trained.adapted, examples))
    tokenizer, beside = load_tokenizer(rows.folder(workspace) / TOKENIZER), is_beside(trained.adapted)

    def merged(*, into_files: bool) -> MergeProof:
        shutil.rmtree(target, ignore_errors=True)
        save_merged(base_folder, trained, adapter_folder, target, into_files=into_files)
        tokenizer.save_pretrained(target)
        return compare_logits(said, reply_logits(load_merged(target), examples))

    into, proof, others = QUANTIZED.get(model.held_as, BASE), merged(into_files=False), {}
    if trained.quantized:
        others[BASE] = compare_logits(said, _unmerged(base_folder, adapter_folder, examples))
        if others[BASE].kl < proof.kl:
            others, into, proof = {into: proof}, BASE, merged(into_files=True)
    _insist(proof, max_difference, min_match)

    facts = {**proof.to_json(), "beside" if beside else "merged_into": into}
    if others:
        facts["rejected"] = {name: other.to_json() for name, other in others.items()}
    (draft.folder / PROOF).write_text(json.dumps(facts, indent=1))
    return draft.seal(MergedModel, digest=digest_files(digest_folder(target)), proof=facts)


def _unmerged(base: Path, adapter: Path, examples: list[Example]) -> Iterator[ReplyLogits]:
    """Give the logits of the adapter on the base's files: merged into them it says the same."""
    yield from reply_logits(load_adapter(load_merged(base), adapter), examples)


def _examples(workspace: Path, rows: TokenRows, count: int) -> list[Example]:
    """Take the first `count` held-out rows by id, which is a fixed draw from all of them."""
    held_out = sorted(load_token_rows(rows.folder(workspace) / HELD_OUT), key=lambda row: row.row_id)
    return [(row.ids, row.prompt_length) for row in held_out[:count]]


def _insist(proof: MergeProof, max_difference: float, min_match: float) -> None:
    """Raise `ModelError` when the merged model is not the trained one, also where a figure is not a number."""
    if not (proof.max_abs_diff <= max_difference and proof.greedy_match >= min_match):
        raise ModelError(
            f"The merged model is not the trained one: logits differ by up to {proof.max_abs_diff:.3g} "
            f"(limit {max_difference:g}) and {proof.greedy_match:.1%} of {proof.positions} tokens agree "
            f"(limit {min_match:.0%}).",
            cure="Serve base and adapter unmerged, or raise evaluation.max_merge_difference if the replies are good.",
        )
