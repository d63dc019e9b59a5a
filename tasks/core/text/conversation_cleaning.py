"""Conversation cleaning: all crafts of cleaning on one row, in the order in which one's work shows the next its own.

Cleaning is stable: a clean row cleaned again is the same row.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.settings import CleaningSettings, Outcome
from tasks.core.text.filtering import find_rule
from tasks.core.text.greetings import cut_greetings
from tasks.core.text.languages import detect_language
from tasks.core.text.markers import neutralize_markers
from tasks.core.text.normalization import normalize
from tasks.core.text.prompt_styles import Role, unify_prompt_styles, without_label
from tasks.core.text.quoting import cut_quoted_mail
from tasks.core.text.redaction import redact_conversation
from tasks.core.text.signatures import cut_signature

ROUNDS = 8  # one, and a second look when a craft cut or replaced something, since that can uncover more
EVERY_OUTCOME = Outcome()


@dataclass(frozen=True)
class Cleaned:
    """A clean row, what was done to it, and why it is filtered if it is."""

    row: dict[str, Any]
    changes: dict[str, int]
    """1 for each craft that changed it; in capitals, how much personal data of each kind was replaced."""
    rule: str | None
    looked_through: bool
    """Redaction's last look was at these very texts, and found nothing."""


def clean_conversation(
    row: Mapping[str, Any], rules: CleaningSettings, outcome: Outcome = EVERY_OUTCOME
) -> Cleaned:
    """Clean the texts of a raw row, identify its language where the log does not say it, and judge what is left.

    The row keeps its keys and gets `language_source`: `log`, `detected`, or empty; earlier turns that were nothing but
    dirt are left out.

    Raises:
        DataError: the language model is missing from the installation.
    """
    turns: list[dict[str, str]] = row["history"] or []
    roles: list[Role] = [
        *("user" if turn["role"] == "user" else "assistant" for turn in turns),
        "user",
        "assistant",
    ]
    names = [row["requester"], row["agent"]] if rules.known_names else []
    changes: Counter[str] = Counter()
    texts = [*(turn["text"] for turn in turns), row["question"], row["reply"]]
    clean_texts, settled = _clean(texts, roles, names, rules, changes)
    *earlier, question, reply = clean_texts
    history = [{**turn, "text": text} for turn, text in zip(turns, earlier, strict=True) if text]
    language, source = _language(row, question, reply, rules)
    clean = {
        **row,
        "question": question,
        "reply": reply,
        "history": history,
        "language": language,
        "language_source": source,
    }
    rule = find_rule(clean, rules, outcome)
    return Cleaned(clean, dict(changes), rule, looked_through=settled and rules.redact)


def _clean(
    texts: Sequence[str],
    roles: Sequence[Role],
    names: Sequence[str],
    rules: CleaningSettings,
    changes: Counter[str],
) -> tuple[list[str], bool]:
    """Give the clean texts, and whether the last round changed nothing."""
    told: set[str] = set()
    clean, settled = list(texts), False
    for _ in range(ROUNDS):
        normal = [_normalize(text, told) for text in clean]
        cut = [_cut(text, role, rules, told) for text, role in zip(normal, roles, strict=True)]
        clean = _unify(cut, roles, told) if rules.prompt_styles else cut
        if rules.redact:
            clean, found = redact_conversation(clean, names, rules.redactor)
            changes.update(found)
        guarded = [neutralize_markers(text) for text in clean]
        if guarded != clean:
            told.add("marker")
        clean, settled = guarded, guarded == normal
        if settled:
            break
    changes.update(told)
    return clean, settled


def _normalize(text: str, told: set[str]) -> str:
    normal, found = normalize(text)
    told |= found
    return normal


def _cut(text: str, role: Role, rules: CleaningSettings, told: set[str]) -> str:
    """Cut what surrounds the message itself."""
    crafts = (
        ("quoted_mail", rules.quoted_mail, cut_quoted_mail),
        ("signature", rules.signatures, cut_signature),
        ("greeting", rules.greetings and role == "assistant", cut_greetings),
    )
    for name, wanted, cut in crafts:
        if wanted and (shorter := cut(text)) != text:
            told.add(name)
            text = shorter
    return text


def _unify(texts: list[str], roles: Sequence[Role], told: set[str]) -> list[str]:
    *earlier, question, reply = texts
    unified = [without_label(text, role) for text, role in zip(earlier, roles, strict=False)]
    unified += unify_prompt_styles(question, reply)
    if unified != texts:
        told.add("prompt_style")
    return unified


def _language(row: Mapping[str, Any], question: str, reply: str, rules: CleaningSettings) -> tuple[str, str]:
    if row["language"].strip():
        return row["language"], row.get("language_source") or "log"
    detected = detect_language(question, reply) if rules.detect_language else ""
    return detected, "detected" if detected else ""
