"""Datasets: the examples of earlier runs, found in the store by their digest."""

from pathlib import Path

from tasks.core.receipts import ValidExamples
from tasks.core.store.artifacts import damage, stored_receipts


def find_examples(workspace: Path, digest: str) -> ValidExamples | None:
    """Find a dataset by its digest; None where it, or a shard of it, was cleared, is damaged, or was made elsewhere."""
    for receipt in stored_receipts(workspace, "assembly"):
        if receipt["digest"] == digest:
            examples = ValidExamples.model_validate(receipt)
            if not any(damage(shard.folder(workspace)) for shard in examples.shards):
                return examples
    return None
