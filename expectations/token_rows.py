"""The contract on token rows: every row can be learned from, whole."""

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe


def suite(max_length: int) -> ExpectationSuite:
    """Expect rows within `max_length` tokens that train on their whole reply, end of sequence included."""
    return ExpectationSuite(
        name="token_rows",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="length",
                min_value=3,
                max_value=max_length,
                severity="critical",
                meta={"rule": "row fits the length"},
                notes="A longer row would be cut by somebody, at the reply.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="prompt_length",
                min_value=1,
                severity="critical",
                meta={"rule": "row has a prompt"},
                notes="A reply without a prompt answers nothing.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="reply_tokens",
                min_value=2,
                severity="critical",
                meta={"rule": "row has a reply to learn"},
                notes="With every label masked, a model trains on nothing and says nothing of it.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="ends_with_eos",
                value_set=[True],
                severity="critical",
                meta={"rule": "row ends with the end of sequence"},
                notes="A model that never learned to stop does not stop.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="bos_count",
                max_value=1,
                severity="critical",
                meta={"rule": "row begins once"},
                notes="A doubled beginning of sequence is a prompt that the base has never seen.",
            ),
        ],
    )
