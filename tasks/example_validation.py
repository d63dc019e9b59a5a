"""The third door: examples against the contract on training examples."""

import json
from collections import Counter

from expectations import training_examples
from tasks.core.errors import DataError
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import Examples, ValidExamples
from tasks.core.settings import QualitySettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, read_rows, write_rows
from tasks.core.text.traits import example_traits
from tasks.lid import step


@step("example_validation", ValidExamples, libraries=("great-expectations",))
def validate_examples(draft: Draft, examples: Examples, quality: QualitySettings) -> ValidExamples:
    """Check the examples, among them that no requester is on both sides of the split."""
    rows = read_rows(examples.folder(draft.workspace) / ROWS)

    result = check_rows(example_traits(rows), training_examples.suite())
    kept, entries = quarantine(rows, result, quality.on_failure)
    parts = Counter(row["split"] for row in kept)
    _insist_on_enough(parts, quality.min_examples)

    write_rows(draft.folder / ROWS, kept)
    write_ledger(draft.folder, "example_validation", entries)
    (draft.folder / "quality.json").write_text(json.dumps(result.to_json(), indent=1))
    counts = account(examples.counts, len(kept), entries)
    return draft.seal(
        ValidExamples, counts={**counts, "train": parts["train"], "held_out": parts["held_out"]}
    )


def _insist_on_enough(parts: Counter[str], least: int) -> None:
    if parts["train"] < least:
        raise DataError(
            f"Only {parts['train']} training examples are left; quality.min_examples asks for {least}.",
            cure="Give more logs; below about 100 examples LoRA seldom pays, and a prompt with examples does better.",
        )
    if not parts["held_out"]:
        raise DataError("No row is held out.", cure="Give logs of more requesters, or raise format.held_out.")
