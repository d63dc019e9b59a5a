"""Lineage: what a version says of where it comes from, as tags."""

from collections.abc import Iterable

from tasks.core.store.digests import digest_value

ADAPTER_DIGEST = "freshtune.adapter_digest"
BASE_DIGEST = "freshtune.base_digest"
BASE_IDENTITY = "freshtune.base_identity"
EXAMPLES_DIGEST = "freshtune.examples_digest"
TOKENS_DIGEST = "freshtune.token_rows_digest"
LOG_DIGESTS = "freshtune.log_digests"
CONTENT_KEY = "freshtune.content_key"
REPLACED = "freshtune.replaced"
REASON = "freshtune.promotion_reason"
LONGEST = 5000


def content_key(merged_digest: str, adapter_digest: str, base_digest: str, token_rows_digest: str) -> str:
    """Name what a version holds; equal content gets one version, however often it is registered."""
    return digest_value([merged_digest, adapter_digest, base_digest, token_rows_digest])


def lineage_tags(
    *,
    adapter_digest: str,
    base_digest: str,
    base_identity: str,
    examples_digest: str,
    token_rows_digest: str,
    merged_digest: str,
    log_digests: Iterable[str],
) -> dict[str, str]:
    """Say as tags which adapter, base, examples and logs made a version; with too many logs for a tag, their digest."""
    logs = ",".join(sorted(log_digests))
    return {
        ADAPTER_DIGEST: adapter_digest,
        BASE_DIGEST: base_digest,
        BASE_IDENTITY: base_identity,
        EXAMPLES_DIGEST: examples_digest,
        TOKENS_DIGEST: token_rows_digest,
        LOG_DIGESTS: logs
        if len(logs) <= LONGEST
        else f"digest of {logs.count(',') + 1}: {digest_value(logs)}",
        CONTENT_KEY: content_key(merged_digest, adapter_digest, base_digest, token_rows_digest),
    }
