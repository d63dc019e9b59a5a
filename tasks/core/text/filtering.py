"""Filtering: which clean rows cannot teach."""

from collections.abc import Mapping, Sequence


def drop_reason(
    row: Mapping[str, str], min_question_chars: int, min_reply_chars: int, languages: Sequence[str]
) -> str | None:
    """Name the rule by which a row is filtered, or None when it stays.

    `en` keeps `en-US`; a row without a language is kept, since nothing is known against it.
    """
    if len(row["question"]) < min_question_chars:
        return "short_question"
    if len(row["reply"]) < min_reply_chars:
        return "short_reply"
    code = row["language"].lower().replace("_", "-")
    wanted = [language.lower() for language in languages]
    if wanted and code and not any(code == one or code.startswith(f"{one}-") for one in wanted):
        return "language"
    return None
