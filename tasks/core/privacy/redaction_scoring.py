"""Scoring redaction against labelled rows: how much of each kind is found, and how much of what is found is right."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tasks.core.privacy.placeholders import Finding, Numbering

Span = tuple[int, int, str]
Find = Callable[[str, Sequence[str]], list[Finding]]


def score(rows: Iterable[tuple[str, Sequence[str], Sequence[Span]]], find: Find) -> dict[str, dict[str, Any]]:
    """Score rows of text, known names and labelled spans: per kind `recall`, `precision`, `labelled`, `rows`.

    Recall is the share of labelled spans that one redaction of their kind covers wholly; precision the share of
    redactions that touch a labelled span of their kind. Both are None where there is nothing to share.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for text, names, labelled in rows:
        made = redacted_spans(text, names, find)
        counts.update((kind, "rows") for kind in {kind for *_, kind in labelled})
        for label in labelled:
            counts[label[2], "labelled"] += 1
            counts[label[2], "covered"] += any(_covers(one, label) for one in made)
        for one in made:
            counts[one[2], "made"] += 1
            counts[one[2], "right"] += any(_touches(one, label) for label in labelled)
    return {kind: _shares(kind, counts) for kind in sorted({kind for kind, _ in counts})}


def redacted_spans(text: str, names: Sequence[str], find: Find) -> list[Span]:
    """Give the spans of a text that end up in a placeholder, pass by pass as redaction does it."""
    origin, numbering, spans = list(range(len(text))), Numbering([text]), []
    while findings := find(text, names):
        spans += [(origin[one.start], origin[one.end - 1] + 1, one.kind) for one in findings]
        for one in reversed(findings):
            placeholder = numbering.replace(
                text[one.start : one.end], [one._replace(start=0, end=one.end - one.start)]
            )
            origin[one.start : one.end] = [-1] * len(placeholder)
        text = numbering.replace(text, findings)
    return spans


def _covers(made: Span, label: Span) -> bool:
    return made[2] == label[2] and made[0] <= label[0] and label[1] <= made[1]


def _touches(made: Span, label: Span) -> bool:
    return made[2] == label[2] and made[0] < label[1] and label[0] < made[1]


def _shares(kind: str, counts: Counter[tuple[str, str]]) -> dict[str, Any]:
    labelled, made = counts[kind, "labelled"], counts[kind, "made"]
    return {
        "recall": round(counts[kind, "covered"] / labelled, 4) if labelled else None,
        "precision": round(counts[kind, "right"] / made, 4) if made else None,
        "labelled": labelled,
        "rows": counts[kind, "rows"],
    }
