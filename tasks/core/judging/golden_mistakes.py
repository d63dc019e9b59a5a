"""Mistakes in golden cases: what may stand in their file, and a sentence with the cure for whatever else does."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from tasks.core.judging.golden_cases import folded, matches

TEXTS = ("must", "must_not")
ASSERTIONS = (*TEXTS, "must_match")
FIELDS = ("id", "question", *ASSERTIONS, "critical")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
MOST_CASES = 1000
MOST_QUESTION = 8000  # characters


def find_mistakes(document: Any, where: str) -> list[str]:
    """Give one sentence for every mistake in a file of cases, each with its place and what to write; none is a sound file."""
    if not isinstance(document, list) or not 0 < len(document) <= MOST_CASES:
        return [
            f"{where} must be a list of 1 to {MOST_CASES:,} cases, each with id, question and assertions."
        ]
    return [f"{where}: {sentence}" for sentence in _of_cases(document)]


def _of_cases(cases: Iterable[Any]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, case in enumerate(cases, 1):
        if not isinstance(case, Mapping):
            yield f"case {number} must have the fields id, question and some of {', '.join(ASSERTIONS)}."
            continue
        name = case.get("id")
        sound = isinstance(name, str) and ID.fullmatch(name)
        title = f"case {number}" + (f" ({name})" if sound else "")
        yield from (f"{title}: {sentence}" for sentence in _of_case(case))
        if sound and seen.setdefault(str(name), number) != number:
            yield f"{title}: case {seen[str(name)]} has the same id; give each its own."


def _of_case(case: Mapping[Any, Any]) -> Iterator[str]:
    for field in sorted(case.keys() - set(FIELDS), key=str):
        near = get_close_matches(str(field), FIELDS, 1)
        meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(FIELDS)}."
        yield f"unknown field '{str(field)[:40]}'; {meant}"
    if not (isinstance(case.get("id"), str) and ID.fullmatch(case["id"])):
        yield "id must be a name of at most 60 letters, digits and . _ - (in quotes where it is a number)."
    question = case.get("question")
    if not _is_text(question) or len(str(question)) > MOST_QUESTION:
        yield f"question must be a text of 1 to {MOST_QUESTION:,} characters."
    if not isinstance(case.get("critical", False), bool):
        yield "critical must be true or false."
    if not case.keys() & set(ASSERTIONS):
        yield f"give at least one of {', '.join(ASSERTIONS)}; a case without an assertion always passes."
    lists = {name: case[name] for name in ASSERTIONS if name in case}
    wrong = [name for name, texts in lists.items() if not _is_list(texts)]
    yield from (f'{name} must be a list of texts, of one at least, such as ["30 days"].' for name in wrong)
    if not wrong:
        yield from _of_assertions(lists)


def _of_assertions(lists: Mapping[str, list[str]]) -> Iterator[str]:
    """Refuse assertions that no reply can fail, or none can pass."""
    for number, expression in enumerate(lists.get("must_match", ()), 1):
        problem = _problem(expression)
        if problem:
            yield f"must_match {number} {problem}."
    for number, text in enumerate(lists.get("must", ()), 1):
        for other, refused in enumerate(lists.get("must_not", ()), 1):
            if folded(refused) in folded(text):
                yield f"must {number} holds what must_not {other} refuses, so no reply could pass; take one out."


def _problem(expression: str) -> str:
    try:
        empty = matches(expression, "")
    except ValueError as error:
        return f"is no regular expression of RE2, which knows no look-around and no back-references: {error}"
    return "is found in an empty reply, so every reply could pass; ask for a letter at least" if empty else ""


def _is_list(texts: Any) -> bool:
    return isinstance(texts, list) and bool(texts) and all(_is_text(text) for text in texts)


def _is_text(text: Any) -> bool:
    """Say whether a value is a text with something in it, which can be written down: YAML can name half a character."""
    return (
        isinstance(text, str) and bool(folded(text)) and not any("\ud800" <= one <= "\udfff" for one in text)
    )
