"""Samples as the page shows them: what the model is shown, and within it what the loss sees."""

from collections.abc import Mapping, Sequence
from typing import Any


def shown_samples(samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give samples with what is learned, control tokens by name, and its tokens one by one; whatever is known of it."""
    return [
        {
            "prompt": sample["prompt"],
            "learned": sample.get("learned") or sample["reply"],
            "pieces": [piece.replace("\n", "↵") or "∅" for piece in sample.get("pieces", ())],
            "facts": _facts(sample),
        }
        for sample in samples
    ]


def _facts(sample: Mapping[str, Any]) -> str:
    """Say how much of the row the loss sees, and which control tokens it holds."""
    parts = [f"{sample['tokens']:,} tokens"]
    if "learned_tokens" in sample:
        parts[0] += f", of which {sample['learned_tokens']:,} are learned"
    parts += [sample["language"]] if sample.get("language") else []
    named = [
        f"{one['token']} ({one['name']}) at {one['at']:,}{'' if one['learned'] else ', not learned'}"
        for one in sample.get("special", ())
    ]
    return " · ".join([*parts, *named])
