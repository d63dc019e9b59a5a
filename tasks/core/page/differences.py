"""Differences: what a reply says otherwise than the support team's, word by word."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

WORD = re.compile(r"\w+|[^\w\s]|\s+")
LEAST = 0.15  # of the words in common; below, nearly all is marked and nothing is seen
SHORT = 4  # letters
MOST_WORDS = 3000  # with the white space, of a text that is compared: the time grows with the square
MODELS = ("base", "champion", "challenger")

Part = tuple[str, bool]
"""Some text, and whether the other side lacks it."""


@dataclass(frozen=True)
class Said:
    """A reply in parts; `near` says how near it is to the team's, where it was compared."""

    who: str
    parts: list[Part]
    near: str = ""


@dataclass(frozen=True)
class Compared:
    """A question with what the team and each model replied to it."""

    question: str
    team: Said
    models: list[Said] = field(default_factory=list)

    @property
    def is_marked(self) -> bool:
        """Say whether any part is marked."""
        return any(differs for said in (self.team, *self.models) for _, differs in said.parts)


def compared_replies(replies: Sequence[Mapping[str, Any]]) -> list[Compared]:
    """Give replies side by side, each model's marked where it is not the team's, and the team's where the challenger's is not."""
    return [_compared(one) for one in replies]


def differences(ours: str, theirs: str) -> tuple[list[Part], list[Part], float]:
    """Give two texts in parts, joined the same as before, and the share of their words that they have in common, in order.

    Words count whatever their case; white space counts for nothing, and so does a short word that stands alone in both: it
    would only break up what differs.
    """
    left, right = (WORD.findall(text) for text in (ours, theirs))
    words = [[place for place, word in enumerate(side) if not word.isspace()] for side in (left, right)]
    matcher = SequenceMatcher(
        None, [left[place].casefold() for place in words[0]], [right[place].casefold() for place in words[1]], autojunk=False
    )  # fmt: skip
    shared: tuple[set[int], set[int]] = (set(), set())
    for block in matcher.get_matching_blocks():
        at_the_end = block.a + 1 == len(words[0]) and block.b + 1 == len(words[1])
        if block.size == 1 and len(left[words[0][block.a]]) < SHORT and not at_the_end:
            continue
        for side, start in ((0, block.a), (1, block.b)):
            shared[side].update(words[side][start : start + block.size])
    share = 2 * len(shared[0]) / (len(words[0]) + len(words[1]) or 1)
    return list(_parts(left, shared[0])), list(_parts(right, shared[1])), share


def _compared(reply: Mapping[str, Any]) -> Compared:
    team = reply["reference"]
    team_parts, models = _whole(team), []
    for who in (one for one in MODELS if one in reply):
        parts, near = _whole(reply[who]), ""
        compared = _against(team, reply[who])
        if compared:
            theirs, ours, share = compared
            near = f"{100 * share:.0f} % like the team's"
            parts = ours if share >= LEAST else parts
            team_parts = theirs if share >= LEAST and who == "challenger" else team_parts
        models.append(Said(who, parts, near))
    return Compared(reply["question"], Said("support team", team_parts), models)


def _whole(text: str) -> list[Part]:
    return [(text, False)] if text else []


def _against(team: str, reply: str) -> tuple[list[Part], list[Part], float] | None:
    """Compare a reply with the team's; None where there is nothing to compare, or too much."""
    if (
        not team.strip()
        or not reply.strip()
        or max(len(WORD.findall(one)) for one in (team, reply)) > MOST_WORDS
    ):
        return None
    return differences(team, reply)


def _parts(words: Sequence[str], shared: set[int]) -> Iterator[Part]:
    """Join neighbours of one kind; white space is of the kind before it if what comes after is of that kind too."""
    kinds: list[bool] = []
    for place, word in enumerate(words):
        if word.isspace():
            before = kinds[-1] if kinds else False
            after = place + 1 < len(words) and place + 1 not in shared
            kinds.append(before and after)
        else:
            kinds.append(place not in shared)
    start = 0
    for place in range(1, len(words) + 1):
        if place == len(words) or kinds[place] != kinds[start]:
            yield "".join(words[start:place]), kinds[start]
            start = place
