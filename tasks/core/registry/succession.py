"""Succession: which version may be compared with which, and whether one may take the champion's place."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.receipts import is_foretold
from tasks.core.registry.client import Version
from tasks.core.registry.lineage import (
    ADAPTER_DIGEST,
    BASE_DIGEST,
    PROMOTION,
    QUANTIZATION,
    SET_ASIDE,
    TOKENIZER_DIGEST,
    quantization_of,
)
from tasks.core.store.digests import digest_files, digest_folder

ALIKE = {
    BASE_DIGEST: "stands on another base",
    TOKENIZER_DIGEST: "has another prompt template or tokenizer",
    QUANTIZATION: "was trained on a base quantized otherwise",
}


@dataclass(frozen=True)
class Ruling:
    """Why a version does not become champion, or, where it `moves` there, why it does or is it already."""

    reason: str
    moves: bool = False


def kind_of(base_digest: str, tokenizer: Path, model: Mapping[str, Any]) -> dict[str, str]:
    """Say as tags what two versions must have in common to be compared row by row; `model` are the settings that hold the base.

    Of a base or token rows that are only foretold nothing is known yet, and nothing is said of them.
    """
    known = {TOKENIZER_DIGEST: digest_files(digest_folder(tokenizer))} if tokenizer.exists() else {}
    base = {} if is_foretold(base_digest) else {BASE_DIGEST: base_digest}
    return {**base, QUANTIZATION: quantization_of(model), **known}


def unlike(version: Version, ours: Mapping[str, str]) -> list[str]:
    """Say in what ways a version is of another kind than ours, by what is known of ours."""
    return [words for tag, words in ALIKE.items() if tag in ours and version.tags.get(tag) != ours[tag]]


def why_unfit(champion: Version, ours: Mapping[str, str]) -> str:
    """Say why a champion cannot be scored on the challenger's rows as it was trained; empty when it can."""
    ways = unlike(champion, ours)
    if not ways:
        return ""
    return (
        f"The champion, version {champion.version}, {' and '.join(ways)}, so the two cannot be compared row by row "
        "in this run; a person decides."
    )


def rule(mine: Version, champion: Version | None, rival: int, verdict: Ruling) -> Ruling:
    """Say whether `mine` takes the alias, by the gate's verdict and by who is champion now.

    `rival` is the version that the verdict is about, 0 for none. Only that one can be replaced, never an equal one, never by
    a version that a person set aside, and never one that a person chose over `mine`: promotions are numbered, so a champion whose own came before that of
    `mine` was not put there by us.
    """
    if not verdict.moves or (champion and champion.version == mine.version):
        return verdict
    now = champion.version if champion else 0
    if mine.tags.get(SET_ASIDE):
        return Ruling(
            f"Version {mine.version} passed the gate, but was set aside: {mine.tags[SET_ASIDE]}. Make it champion with "
            f"`freshtune promote {mine.version}`."
        )
    if champion and all(
        champion.tags.get(tag) == mine.tags.get(tag) for tag in (ADAPTER_DIGEST, BASE_DIGEST)
    ):
        return Ruling(f"Version {now} is champion, with the same adapter on the same base.")
    if now != rival:
        words = f"version {rival}" if rival else "no champion"
        return Ruling(
            f"Version {mine.version} was judged against {words}, and meanwhile {_words(now)}; start again to judge it anew."
        )
    if champion and number(mine) > number(champion):
        return Ruling(
            f"Version {mine.version} passed the gate before, but a person has made version {now} champion."
        )
    return verdict


def number(version: Version) -> int:
    """Give the number of a version's latest promotion; 0 for one that was never promoted."""
    return int(version.tags.get(PROMOTION, "0"))


def _words(now: int) -> str:
    return f"version {now} became champion" if now else "there is no champion any more"
