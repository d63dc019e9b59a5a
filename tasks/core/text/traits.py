"""Traits: what the expectations look at, derived from rows so that no text leaves them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

from tasks.core.text.normalization import has_hidden, has_marker, has_markup
from tasks.core.text.redaction import has_email

Rows = Sequence[Mapping[str, Any]]
Traits = list[dict[str, Any]]


def raw_traits(rows: Rows) -> Traits:
    """Derive what the contract on raw logs asks about."""
    return [
        {
            "row_id": row["row_id"],
            "has_question": bool(row["question"].strip()),
            "has_reply": bool(row["reply"].strip()),
            "has_conversation": bool(row["conversation"].strip()),
            "conversation_hash": blake2b(row["conversation"].encode(), digest_size=8).hexdigest(),
            "created_is_a_time": not row["created"] or _is_time(row["created"]),
            "question_chars": len(row["question"]),
            "reply_chars": len(row["reply"]),
        }
        for row in rows
    ]


def clean_traits(rows: Rows) -> Traits:
    """Derive what the contract on clean logs asks about; questions and replies are looked at together."""
    return [
        {
            "row_id": row["row_id"],
            "question_chars": len(row["question"]),
            "reply_chars": len(row["reply"]),
            "markup_left": _either(row, has_markup),
            "marker_left": _either(row, has_marker),
            "hidden_left": _either(row, has_hidden),
            "email_left": _either(row, has_email),
        }
        for row in rows
    ]


def example_traits(rows: Rows) -> Traits:
    """Derive what the contract on training examples asks about, across all rows."""
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        sides[row["group"]].add(row["split"])
    replies = Counter(_hash(row["reply"]) for row in rows)
    return [
        {
            "row_id": row["row_id"],
            "split": row["split"],
            "sides_of_group": len(sides[row["group"]]),
            "fingerprint": row["fingerprint"],
            "reply_equals_question": row["reply"].strip() == row["question"].strip(),
            "reply_uses": replies[_hash(row["reply"])],
        }
        for row in rows
    ]


def _either(row: Mapping[str, Any], asks: Any) -> bool:
    return bool(asks(row["question"]) or asks(row["reply"]))


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def _is_time(text: str) -> bool:
    for parse in (datetime.fromisoformat, lambda value: datetime.strptime(value, "%Y-%m-%d %H:%M:%S %z")):
        try:
            parse(text)
        except ValueError:
            continue
        return True
    return False
