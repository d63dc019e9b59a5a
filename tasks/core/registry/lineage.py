"""Lineage: what a version says of where it comes from, as tags."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.core.store.digests import digest_value

ADAPTER_DIGEST = "freshtune.adapter_digest"
BASE_DIGEST = "freshtune.base_digest"
BASE_IDENTITY = "freshtune.base_identity"
TOKENIZER_DIGEST = "freshtune.tokenizer_digest"
QUANTIZATION = "freshtune.quantization"
EXAMPLES_DIGEST = "freshtune.examples_digest"
TOKENS_DIGEST = "freshtune.token_rows_digest"
LOG_DIGESTS = "freshtune.log_digests"
PARENT = "freshtune.parent"  # the version whose adapter a training went on with; absent where it began from the base
PARENT_ADAPTER = "freshtune.parent_adapter"  # its digest
CONTENT_KEY = "freshtune.content_key"
TRAINING_KEY = "freshtune.training_key"  # of a run: which training it is of, from its first step on
FILES_DIGEST = "freshtune.files_digest"  # of the list of a version's files
REPLACED = "freshtune.replaced"
REASON = "freshtune.promotion_reason"
DECIDED_BY = "freshtune.decided_by"
DECIDED_AT = "freshtune.decided_at"
SET_ASIDE = "freshtune.set_aside"  # by whom and why a version was; empty once a person wants it again
TRIED_BY = "freshtune.tried_by"  # the settings, as a digest, by which a version was tried in vain, or waits
KEPT_OUT = "freshtune.kept_out"  # why the gate did not make a version champion; empty once it does
WAITING = "freshtune.waiting"  # the flow run that waits for a person's word on it; empty once none does
PROMOTION = "freshtune.promotion"  # its number, counted over all versions
SWEEP_KEY = "freshtune.sweep_key"  # of a run: which sweep it is of
TRIAL_KEY = "freshtune.trial_key"  # of a run: which trial of which sweep it is of
TRIAL_STATE = "freshtune.trial_state"  # what came of it
CODE_DIGEST = "freshtune.code_digest"  # of the code that trained it
PACKAGES = "freshtune.packages"  # that trained it, with their versions
LONGEST = 5000


def content_key(merged_digest: str, adapter_digest: str, base_digest: str, package_digest: str) -> str:
    """Name what a version holds; equal content gets one version, whatever it was judged on and however often."""
    return digest_value([merged_digest, adapter_digest, base_digest, package_digest])


def quantization_of(model: Mapping[str, Any]) -> str:
    """Say how the settings `model` hold the base, in a word that two versions can be compared by."""
    doubly = model["quantization"] == "nf4" and model["double_quant"]
    return f"{model['quantization']}{'-double' if doubly else ''}"


def lineage_tags(
    *,
    adapter_digest: str,
    base_digest: str,
    base_identity: str,
    tokenizer_digest: str,
    quantization: str,
    examples_digest: str,
    token_rows_digest: str,
    merged_digest: str,
    package_digest: str,
    log_digests: Iterable[str],
) -> dict[str, str]:
    """Say as tags what a version holds and what made it; with too many logs for a tag, their digest."""
    logs = ",".join(sorted(log_digests))
    return {
        ADAPTER_DIGEST: adapter_digest,
        BASE_DIGEST: base_digest,
        BASE_IDENTITY: base_identity,
        TOKENIZER_DIGEST: tokenizer_digest,
        QUANTIZATION: quantization,
        EXAMPLES_DIGEST: examples_digest,
        TOKENS_DIGEST: token_rows_digest,
        LOG_DIGESTS: logs
        if len(logs) <= LONGEST
        else f"digest of {logs.count(',') + 1}: {digest_value(logs)}",
        CONTENT_KEY: content_key(merged_digest, adapter_digest, base_digest, package_digest),
    }
