"""The contract on raw logs: a row has what training needs, before anything is changed."""

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe


def suite() -> ExpectationSuite:
    """Expect a question, a reply and an id of every row, and plausible times and lengths."""
    return ExpectationSuite(
        name="raw_logs",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(
                column="has_question",
                value_set=[True],
                severity="critical",
                meta={"rule": "has a question"},
                notes="Without a question there is nothing to answer.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="has_reply",
                value_set=[True],
                severity="critical",
                meta={"rule": "has a reply"},
                notes="Without a reply the model only learns to read.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="has_conversation",
                value_set=[True],
                severity="warning",
                meta={"rule": "has a conversation id"},
                notes="The id leads from a row back to the ticket.",
            ),
            gxe.ExpectColumnValuesToBeUnique(
                column="conversation_hash",
                severity="info",
                meta={"rule": "conversation id is used once"},
                notes="An id used twice is often an export that ran twice; duplicates are looked for later, by content.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="created_is_a_time",
                value_set=[True],
                severity="warning",
                meta={"rule": "created is a time"},
                notes="Times say which logs are new; a training can do without.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="question_chars",
                max_value=100_000,
                severity="critical",
                meta={"rule": "question is not a dump"},
                notes="A question of more than 100,000 characters is a log file or an attachment.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="reply_chars",
                max_value=100_000,
                severity="critical",
                meta={"rule": "reply is not a dump"},
                notes="A reply of more than 100,000 characters is a log file or an attachment.",
            ),
        ],
    )
