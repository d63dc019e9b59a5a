"""Conversation cleaning: all crafts of cleaning, in the order in which one's work shows the next its own.

Each craft goes over all conversations before the next one does: its code stays in the processor's cache, which takes a
third less time than one conversation after the other. Cleaning is stable: a clean row cleaned again is the same row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.core.normalizing.markers import neutralize_markers
from tasks.core.normalizing.normalization import normalize
from tasks.core.privacy.redaction import redact_conversation
from tasks.core.settings import CleaningSettings, Outcome
from tasks.core.text.filtering import find_rule
from tasks.core.text.greetings import cut_greetings
from tasks.core.text.languages import detect_language
from tasks.core.text.prompt_styles import Role, unify_prompt_styles, without_label
from tasks.core.text.quoting import cut_quoted_mail
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


@dataclass(slots=True)
class _Talk:
    """A conversation under way: its earlier turns, the question and the reply."""

    row: Mapping[str, Any]
    roles: list[Role]
    names: list[str]
    texts: list[str]
    normal: list[str] = field(default_factory=list)
    """The texts after the last normalization; when nothing changed them since, cleaning has settled."""
    told: set[str] = field(default_factory=set)
    found: dict[str, int] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        return self.texts == self.normal


def clean_conversations(
    rows: Iterable[Mapping[str, Any]], rules: CleaningSettings, outcome: Outcome = EVERY_OUTCOME
) -> list[Cleaned]:
    """Clean the texts of raw rows, identify their language where the log does not say it, and judge what is left.

    A row keeps its keys and gets `language_source`: `log`, `detected`, or empty; earlier turns that were nothing but
    dirt are left out.

    Raises:
        DataError: the language model is missing from the installation.
    """
    talks = [_talk(row, rules) for row in rows]
    unsettled = talks
    for _ in range(ROUNDS):
        _clean(unsettled, rules)
        unsettled = [talk for talk in unsettled if not talk.settled]
        if not unsettled:
            break
    languages = [_language(talk.row, talk.texts[-2], talk.texts[-1], rules) for talk in talks]
    return [_cleaned(*one, rules, outcome) for one in zip(talks, languages, strict=True)]


def _talk(row: Mapping[str, Any], rules: CleaningSettings) -> _Talk:
    turns: list[dict[str, str]] = row["history"] or []
    earlier: list[Role] = ["user" if turn["role"] == "user" else "assistant" for turn in turns]
    names = [row["requester"], row["agent"]] if rules.known_names else []
    texts = [*(turn["text"] for turn in turns), row["question"], row["reply"]]
    return _Talk(row, [*earlier, "user", "assistant"], names, texts)


def _clean(talks: Sequence[_Talk], rules: CleaningSettings) -> None:
    for talk in talks:
        _normalize(talk)
    if rules.quoted_mail:
        _apply(talks, "quoted_mail", cut_quoted_mail)
    if rules.signatures:
        _apply(talks, "signature", cut_signature)
    if rules.greetings:
        for talk in talks:
            _cut_greetings(talk)
    if rules.prompt_styles:
        for talk in talks:
            _unify(talk)
    if rules.redact:
        for talk in talks:
            _redact(talk, rules)
    _apply(talks, "marker", neutralize_markers)


def _normalize(talk: _Talk) -> None:
    normal = [normalize(text) for text in talk.texts]
    talk.texts = talk.normal = [text for text, _ in normal]
    talk.told.update(*(found for _, found in normal))


def _apply(talks: Iterable[_Talk], name: str, craft: Callable[[str], str]) -> None:
    for talk in talks:
        _change(talk, [craft(text) for text in talk.texts], name)


def _cut_greetings(talk: _Talk) -> None:
    sides = zip(talk.texts, talk.roles, strict=True)
    _change(talk, [cut_greetings(text) if role == "assistant" else text for text, role in sides], "greeting")


def _unify(talk: _Talk) -> None:
    *earlier, question, reply = talk.texts
    unified = [without_label(text, role) for text, role in zip(earlier, talk.roles, strict=False)]
    _change(talk, [*unified, *unify_prompt_styles(question, reply)], "prompt_style")


def _redact(talk: _Talk, rules: CleaningSettings) -> None:
    talk.texts, found = redact_conversation(talk.texts, talk.names, rules.redactor)
    for kind, count in found.items():
        talk.found[kind] = talk.found.get(kind, 0) + count


def _change(talk: _Talk, texts: list[str], name: str) -> None:
    if texts != talk.texts:
        talk.texts = texts
        talk.told.add(name)


def _cleaned(talk: _Talk, language: tuple[str, str], rules: CleaningSettings, outcome: Outcome) -> Cleaned:
    *earlier, question, reply = talk.texts
    turns = talk.row["history"] or []
    clean = {
        **talk.row,
        "question": question,
        "reply": reply,
        "history": [{**turn, "text": text} for turn, text in zip(turns, earlier, strict=True) if text],
        "language": language[0],
        "language_source": language[1],
    }
    rule = find_rule(clean, rules, outcome)
    changes = {**talk.found, **dict.fromkeys(talk.told, 1)}
    return Cleaned(clean, changes, rule, looked_through=talk.settled and rules.redact)


def _language(row: Mapping[str, Any], question: str, reply: str, rules: CleaningSettings) -> tuple[str, str]:
    """Give a row's language and how it is known."""
    if row["language"].strip():
        return row["language"], row.get("language_source") or "log"
    detected = detect_language(question, reply) if rules.detect_language else ""
    return detected, "detected" if detected else ""
