"""The contract on training examples: the split tells the truth and nothing dominates."""

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe


def suite() -> ExpectationSuite:
    """Expect every requester on one side of the split, and replies that differ."""
    return ExpectationSuite(
        name="training_examples",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(
                column="split",
                value_set=["train", "held_out"],
                severity="critical",
                meta={"rule": "split is train or held_out"},
                notes="A row on no side would be lost without a word.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="sides_of_group",
                max_value=1,
                severity="critical",
                meta={"rule": "requester is on one side"},
                notes="A requester on both sides lets the model be judged on what it was taught.",
            ),
            gxe.ExpectColumnValuesToBeUnique(
                column="fingerprint",
                severity="warning",
                meta={"rule": "conversation is there once"},
                notes="A repeated conversation weighs more than its worth, and can sit on both sides.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="reply_equals_question",
                value_set=[False],
                severity="critical",
                meta={"rule": "reply is not the question"},
                notes="An echo teaches the model to echo.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="reply_uses",
                max_value=25,
                severity="warning",
                meta={"rule": "reply is not canned"},
                notes="A reply used more than 25 times becomes the answer to everything.",
            ),
        ],
    )
