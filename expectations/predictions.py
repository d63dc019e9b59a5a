"""The contract on predictions: every held-out row was scored, with a number."""

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe


def suite() -> ExpectationSuite:
    """Expect one finite loss for every row."""
    return ExpectationSuite(
        name="predictions",
        expectations=[
            gxe.ExpectColumnValuesToNotBeNull(
                column="loss",
                severity="critical",
                meta={"rule": "loss is a number"},
                notes="NaN loses every comparison in silence.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="loss",
                min_value=0,
                max_value=100,
                severity="critical",
                meta={"rule": "loss is plausible"},
                notes="A loss above 100 nats a token comes from broken weights.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="tokens",
                min_value=1,
                severity="critical",
                meta={"rule": "row has scored tokens"},
                notes="A row without a scored token is a hole in the comparison.",
            ),
            gxe.ExpectColumnValuesToBeUnique(
                column="row_id",
                severity="critical",
                meta={"rule": "row was scored once"},
                notes="A row scored twice counts twice.",
            ),
        ],
    )
