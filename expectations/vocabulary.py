"""The words that a suite may use: its columns, the kinds of expectation, their limits, and the settings that it can ask for."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["flag", "number", "text"]
Columns = dict[str, Kind]
SEVERITIES = ("critical", "warning", "info")

COLUMNS: dict[str, Columns] = {
    "raw_logs": {
        "row_id": "text",
        "has_question": "flag",
        "has_reply": "flag",
        "has_conversation": "flag",
        "conversation_hash": "number",
        "created_is_a_time": "flag",
        "created_is_plausible": "flag",
        "question_chars": "number",
        "reply_chars": "number",
        "turns": "number",
    },
    "clean_logs": {
        "row_id": "text",
        "question_chars": "number",
        "reply_chars": "number",
        "markup_left": "flag",
        "marker_left": "flag",
        "mixed_styles_left": "flag",
        "hidden_left": "flag",
        "personal_data_left": "flag",
        "replacement_char_left": "flag",
        "language_known": "flag",
    },
    "training_examples": {
        "row_id": "text",
        "split": "text",
        "sides_of_group": "number",
        "twin_on_other_side": "flag",
        "fingerprint": "text",
        "reply_equals_question": "flag",
        "reply_uses": "number",
        "rows_of_group": "number",
    },
    "token_rows": {
        "row_id": "text",
        "length": "number",
        "prompt_length": "number",
        "reply_tokens": "number",
        "labelled": "number",
        "label_coverage": "number",
        "ends_with_eos": "flag",
        "bos_count": "number",
        "reply_truncated": "flag",
        "markers_inside": "flag",
    },
    "predictions": {
        "row_id": "text",
        "loss": "number",
        "tokens": "number",
        "reply_chars": "number",
        "has_marker": "flag",
        "has_personal_data": "flag",
        "stopped": "flag",
    },
}
"""The columns of each suite: the traits of its rows, and what kind each is. There is no text of a row among them."""

PARAMETERS: dict[str, dict[str, type]] = {
    "clean_logs": {"redact": bool, "prompt_styles": bool},
    "token_rows": {"max_length": int},
}
"""The settings that a suite may name as `$setting`: a number in a limit, a switch in `enforce_if`."""


@dataclass(frozen=True)
class Form:
    """What an expectation of one type takes; one that is not `by_row` is on the whole table and names no row."""

    limits: tuple[str, ...]
    kinds: tuple[Kind, ...]
    by_row: bool = True
    column: bool = True


BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")
ANY: tuple[Kind, ...] = ("flag", "number", "text")
OWN: dict[str, Form] = {
    "no_mixed_prompt_styles": Form((), ("flag",)),
    "no_personal_data_left": Form((), ("flag",)),
    "no_template_markers_inside": Form((), ("flag",)),
    "reply_not_truncated": Form((), ("flag",)),
    "full_label_coverage": Form((), ("number",)),
}
TYPES: dict[str, Form] = {
    "column_values_to_be_in_set": Form(("value_set", "mostly"), ANY),
    "column_values_to_not_be_in_set": Form(("value_set", "mostly"), ANY),
    "column_values_to_be_between": Form((*BOUNDS, "mostly"), ("number",)),
    "column_values_to_not_be_null": Form(("mostly",), ANY),
    "column_values_to_be_unique": Form(("mostly",), ANY),
    "column_mean_to_be_between": Form(BOUNDS, ("flag", "number"), by_row=False),
    "column_median_to_be_between": Form(BOUNDS, ("number",), by_row=False),
    "column_max_to_be_between": Form(BOUNDS, ("number",), by_row=False),
    "column_min_to_be_between": Form(BOUNDS, ("number",), by_row=False),
    "column_proportion_of_unique_values_to_be_between": Form(BOUNDS, ANY, by_row=False),
    "table_row_count_to_be_between": Form(("min_value", "max_value"), (), by_row=False, column=False),
    **OWN,
}
"""Great Expectations' types without `expect_`, as far as they fit traits, and our own (`expectations/custom.py`)."""
