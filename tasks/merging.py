"""Merging: the adapter becomes part of the base's weights, and the result is proven to be the trained model."""

import json
from typing import Any

from tasks.core.errors import ModelError
from tasks.core.model.adapters import load_adapter
from tasks.core.model.loading import default_device, load_base, load_tokenizer
from tasks.core.model.merged_weights import MergeProof, compare_merged, write_merged
from tasks.core.receipts import Adapter, BaseModel, MergedModel, TokenRows
from tasks.core.settings import ModelSettings
from tasks.core.store.artifacts import Draft
from tasks.core.tokens.storing import HELD_OUT, TOKENIZER, load_token_rows
from tasks.lid import step

PROOF, MODEL = "proof.json", "model"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes")


@step("merging", MergedModel, libraries=LIBRARIES, tags=("gpu",))
def merge_adapter(
    draft: Draft,
    adapter: Adapter,
    base: BaseModel,
    rows: TokenRows,
    model: ModelSettings,
    merge_rows: int,
    max_difference: float,
    min_match: float,
) -> MergedModel:
    """Merge, save with the tokenizer and its template, load what was saved, and compare it with what was trained."""
    workspace = draft.workspace
    base_folder, adapter_folder = base.folder(workspace), adapter.folder(workspace)
    target = draft.folder / MODEL

    merged_into = write_merged(
        base_folder,
        adapter_folder,
        target,
        quantized=adapter.training["quantized"] if model.quantization == "nf4" else (),
        double_quant=model.double_quant,
        dtype=model.dtype,
        device=default_device(),
    )
    load_tokenizer(rows.folder(workspace) / TOKENIZER).save_pretrained(target)
    proof = _prove(draft, base, adapter, rows, model, merge_rows)
    _insist(proof, max_difference, min_match)

    facts = {**proof.to_json(), "merged_into": merged_into}
    (draft.folder / PROOF).write_text(json.dumps(facts, indent=1))
    return draft.seal(MergedModel, proof=facts)


def _prove(
    draft: Draft, base: BaseModel, adapter: Adapter, rows: TokenRows, model: ModelSettings, merge_rows: int
) -> MergeProof:
    held_out = load_token_rows(rows.folder(draft.workspace) / HELD_OUT)
    chosen = sorted(held_out, key=lambda row: row.row_id)[:merge_rows]
    trained = load_base(
        base.folder(draft.workspace),
        model.quantization,
        double_quant=model.double_quant,
        dtype=model.dtype,
        attention=model.attention,
    )
    reference = load_adapter(trained.model, adapter.folder(draft.workspace))
    merged: Any = load_base(draft.folder / MODEL, "none", dtype=model.dtype, attention=model.attention).model
    return compare_merged(reference, merged, [(row.ids, row.prompt_length) for row in chosen])


def _insist(proof: MergeProof, max_difference: float, min_match: float) -> None:
    if not (proof.max_abs_diff <= max_difference and proof.greedy_match >= min_match):  # NaN fails
        raise ModelError(
            f"The merged model is not the trained one: logits differ by up to {proof.max_abs_diff:.3g} "
            f"(limit {max_difference:g}) and {proof.greedy_match:.1%} of {proof.positions} tokens agree "
            f"(limit {min_match:.0%}).",
            cure="Serve base and adapter unmerged, or raise evaluation.max_merge_difference if the replies are good.",
        )
