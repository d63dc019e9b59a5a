"""Placeholders: what was found becomes `<KIND_n>`, the same number for the same value in a conversation.

A placeholder is never part of a finding, so each replacement leaves less text that could hold one: redacting again
ends, and changes nothing.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

PLACEHOLDER = re.compile(r"<[A-Z]{2,10}_[0-9]{1,9}>")
# Where two findings cross, the earlier kind here has the better evidence; where one holds the other, the wider wins.
KINDS = ("URL", "SECRET", "EMAIL", "IBAN", "CARD", "ORDER", "IP", "PHONE", "ID", "NAME", "HANDLE")
RANKS = {kind: rank for rank, kind in enumerate(KINDS)}


class Finding(NamedTuple):
    """A span of a text with its kind, and its value written so that equal values are equal strings."""

    start: int
    end: int
    kind: str
    value: str


def settle(findings: Iterable[Finding], text: str) -> list[Finding]:
    """Give the findings in order, without those that touch a placeholder or lose to one that they overlap."""
    settled: list[Finding] = []
    for finding in sorted(findings, key=lambda one: (one.start, -one.end, RANKS[one.kind])):
        if not settled or finding.start >= settled[-1].end:
            settled.append(finding)
        elif finding.end > settled[-1].end and RANKS[finding.kind] < RANKS[settled[-1].kind]:
            settled[-1] = finding
    return _outside(PLACEHOLDER.finditer(text), settled) if "<" in text else settled


def _outside(placeholders: Iterable[re.Match[str]], findings: list[Finding]) -> list[Finding]:
    spans = [match.span() for match in placeholders]
    starts = [start for start, _ in spans]

    def touches(finding: Finding) -> bool:
        before = bisect_right(starts, finding.end - 1) - 1
        return before >= 0 and spans[before][1] > finding.start

    return [finding for finding in findings if not touches(finding)]


class Numbering:
    """The numbers that a conversation's values have got so far."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._given: dict[tuple[str, str], str] = {}
        self._last: dict[str, int] = {}

    def replace(self, text: str, findings: Sequence[Finding]) -> str:
        """Put placeholders for findings that are in order and do not overlap."""
        pieces, read = [], 0
        for finding in findings:
            pieces += [text[read : finding.start], self._placeholder(finding.kind, finding.value)]
            read = finding.end
        return "".join([*pieces, text[read:]])

    @cached_property
    def _typed(self) -> set[str]:
        """The placeholders that a user typed: their numbers are not given again."""
        return {typed for text in self._texts if "<" in text for typed in PLACEHOLDER.findall(text)}

    def _placeholder(self, kind: str, value: str) -> str:
        while (kind, value) not in self._given:
            self._last[kind] = self._last.get(kind, 0) + 1
            fresh = f"<{kind}_{self._last[kind]}>"
            if fresh not in self._typed:
                self._given[kind, value] = fresh
        return self._given[kind, value]
