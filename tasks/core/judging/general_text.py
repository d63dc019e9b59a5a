"""General text: how well a model still foresees plain prose in English and German, which no support log teaches.

The passages are short, of our own writing, and lie in the package; each counts as one voice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.judging.metrics import summarize
from tasks.core.judging.scoring import RowScore
from tasks.core.judging.statistics import Gain, paired_gain
from tasks.core.receipts import GeneralText, Passage
from tasks.core.tokens.rendering import encode_all

PASSAGES = Path(__file__).with_name("general_text.json")
GENERAL = "general_scores.jsonl"
MOST = 512  # tokens of a passage
WHOLE = "all"


@dataclass(frozen=True)
class PassageRow:
    """The token ids of a passage; all but the first are foreseen."""

    row_id: str
    group: str
    ids: list[int]
    prompt_length: int = 1


@dataclass(frozen=True)
class GeneralGain:
    """The challenger's gain over the base on general text, as a whole and by language, and which of these `fell`."""

    gain: Gain
    by_language: dict[str, Gain]
    fell: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the figures by name."""
        languages = {name: gain.to_json() for name, gain in self.by_language.items()}
        return {**self.gain.to_json(), "languages": languages, "fell": list(self.fell)}


def read_passages() -> GeneralText:
    """Read the passages of the package."""
    return GeneralText.model_validate({"passages": json.loads(PASSAGES.read_bytes())})


def passage_rows(tokenizer: Any, passages: Sequence[Passage], room: int | None) -> list[PassageRow]:
    """Encode passages as a tokenizer begins a text, cut to half of the `room` of a base, so that virtual tokens fit too."""
    most = min(MOST, room // 2) if room else MOST
    opening = [one for one in tokenizer("")["input_ids"] if one == tokenizer.bos_token_id][:1]
    encoded = encode_all(tokenizer, [one.text for one in passages])
    return [
        PassageRow(one.id, one.id, [*opening, *ids][:most])
        for one, ids in zip(passages, encoded, strict=True)
    ]


def general_figures(scores: Sequence[RowScore]) -> dict[str, float]:
    """Give the loss on general text in nats per token, and how much it stands on; nothing where none was asked.

    Raises `ModelError` for a loss that is not finite.
    """
    if not scores:
        return {}
    figures = summarize(scores, "general text's")
    return {"general_loss": figures["loss"], "general_tokens": figures["tokens"]}


def general_gain(
    challenger: Sequence[RowScore],
    base: Sequence[RowScore],
    languages: Mapping[str, str],
    *,
    confidence: float,
    most: float,
) -> GeneralGain | None:
    """Compare challenger and base passage by passage, of which `languages` names the language; None without passages.

    What lost more than `most`, beyond noise, fell; with 0 nothing does. A language counts by itself, since one that the
    logs are written in gains enough to hide what another loses.
    """
    if not challenger:
        return None
    parts = {WHOLE: frozenset(languages)}
    for name in sorted(set(languages.values())):
        parts[name] = frozenset(one for one, language in languages.items() if language == name)
    gains = {
        name: paired_gain(_of(challenger, ids), _of(base, ids), confidence) for name, ids in parts.items()
    }
    fell = [name for name, gain in gains.items() if most and gain.mean < -most and gain.high < 0]
    return GeneralGain(gains.pop(WHOLE), gains, tuple(fell))


def general_objections(found: GeneralGain | None, most: float) -> list[str]:
    """Say what general text has against a challenger, as parts of a sentence."""
    if found is None or not found.fell:
        return []
    name = min(found.fell, key=lambda one: _part(found, one).mean)
    gain, where = _part(found, name), "general text" if name == WHOLE else f"general text ({name})"
    words = f"on {where} it is worse than the base by more than gate.max_general_loss ({most:g})"
    return [f"{words}: {gain.mean:+.3f} nats per token, interval {gain.low:+.3f} to {gain.high:+.3f}"]


def _part(found: GeneralGain, name: str) -> Gain:
    return found.gain if name == WHOLE else found.by_language[name]


def _of(scores: Sequence[RowScore], ids: frozenset[str]) -> list[RowScore]:
    return [score for score in scores if score.row_id in ids]
