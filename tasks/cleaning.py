"""Cleaning: text is normalized and redacted, rows that cannot teach are filtered."""

import json
from collections import Counter
from collections.abc import Mapping

from tasks.core.receipts import CleanLogs, ValidLogs
from tasks.core.settings import CleaningSettings
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import Entry, account, write_ledger
from tasks.core.store.rows import ROWS, read_rows, write_rows
from tasks.core.text.filtering import drop_reason
from tasks.core.text.normalization import neutralize_markers, normalize_text
from tasks.core.text.redaction import redact
from tasks.lid import step


@step("cleaning", CleanLogs, libraries=("selectolax", "ftfy"))
def clean_logs(draft: Draft, logs: ValidLogs, cleaning: CleaningSettings) -> CleanLogs:
    """Turn markup into text, mend encodings, redact personal data, and filter what is too short or not wanted."""
    rows = read_rows(logs.folder(draft.workspace) / ROWS)

    redacted: Counter[str] = Counter()
    cleaned = [_clean(row, cleaning.redact, redacted) for row in rows]
    rules = [
        drop_reason(row, cleaning.min_question_chars, cleaning.min_reply_chars, cleaning.languages)
        for row in cleaned
    ]
    kept = [row for row, rule in zip(cleaned, rules, strict=True) if rule is None]
    entries = [
        Entry(row["row_id"], "filtered", rule, f"filtered by cleaning: {rule}", row)
        for row, rule in zip(cleaned, rules, strict=True)
        if rule is not None
    ]

    write_rows(draft.folder / ROWS, kept)
    write_ledger(draft.folder, "cleaning", entries)
    (draft.folder / "redactions.json").write_text(json.dumps(redacted, indent=1, sort_keys=True))
    return draft.seal(CleanLogs, counts=account(logs.counts, len(kept), entries))


def _clean(row: Mapping[str, str], redacting: bool, redacted: Counter[str]) -> dict[str, str]:
    texts = {}
    for column in ("question", "reply"):
        text = normalize_text(row[column])
        if redacting:
            text, found = redact(text)
            redacted.update(found)
        texts[column] = neutralize_markers(text)
    return {**row, **texts}
