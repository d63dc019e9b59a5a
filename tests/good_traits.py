"""Traits that break no expectation, one row at a time; `changes` make one that does."""

from typing import Any


def raw(row_id: str, **changes: Any) -> dict[str, Any]:
    flags = ("has_question", "has_reply", "has_conversation", "created_is_a_time", "created_is_plausible")
    numbers = {"conversation_hash": ord(row_id[-1]), "question_chars": 20, "reply_chars": 20, "turns": 2}
    return {"row_id": row_id, **dict.fromkeys(flags, True), **numbers, **changes}


def clean(row_id: str, **changes: Any) -> dict[str, Any]:
    flags = ("markup", "marker", "mixed_styles", "hidden", "personal_data", "replacement_char")
    left = dict.fromkeys((f"{flag}_left" for flag in flags), False)
    return {
        "row_id": row_id,
        "question_chars": 9,
        "reply_chars": 9,
        **left,
        "language_known": True,
        **changes,
    }


def example(row_id: str, **changes: Any) -> dict[str, Any]:
    flags = dict.fromkeys(("twin_on_other_side", "reply_equals_question"), False)
    numbers = {"sides_of_group": 1, "reply_uses": 1, "rows_of_group": 1}
    return {"row_id": row_id, "split": "train", "fingerprint": row_id, **flags, **numbers, **changes}


def token_row(row_id: str, **changes: Any) -> dict[str, Any]:
    numbers = {
        "length": 9,
        "prompt_length": 4,
        "reply_tokens": 5,
        "labelled": 5,
        "label_coverage": 1.0,
        "bos_count": 1,
    }
    flags = {"ends_with_eos": True, "reply_truncated": False, "markers_inside": False}
    return {"row_id": row_id, **numbers, **flags, **changes}


def prediction(row_id: str, **changes: Any) -> dict[str, Any]:
    reply = {"reply_chars": None, "has_marker": None, "has_personal_data": None, "stopped": None}
    return {"row_id": row_id, "loss": 1.0, "tokens": 3, **reply, **changes}


GOOD = {
    "raw_logs": raw,
    "clean_logs": clean,
    "training_examples": example,
    "token_rows": token_row,
    "predictions": prediction,
}
