"""The contract on clean logs: cleaning did what it promises."""

from great_expectations import ExpectationSuite
from great_expectations import expectations as gxe


def suite() -> ExpectationSuite:
    """Expect no markup, prompt marker, hidden character or e-mail address to be left."""
    return ExpectationSuite(
        name="clean_logs",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(
                column="markup_left",
                value_set=[False],
                severity="critical",
                meta={"rule": "no HTML"},
                notes="A model that saw tags writes tags.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="marker_left",
                value_set=[False],
                severity="critical",
                meta={"rule": "no prompt marker"},
                notes="Text that looks like the prompt's structure could open a turn of its own.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="hidden_left",
                value_set=[False],
                severity="critical",
                meta={"rule": "no hidden character"},
                notes="Control and zero-width characters hide text from people, not from a model.",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="email_left",
                value_set=[False],
                severity="critical",
                meta={"rule": "no e-mail address"},
                notes="A model repeats the addresses that it saw.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="question_chars",
                min_value=1,
                max_value=50_000,
                severity="critical",
                meta={"rule": "question has a sound length"},
                notes="What is longer than 50,000 characters is pasted output.",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="reply_chars",
                min_value=1,
                max_value=20_000,
                severity="critical",
                meta={"rule": "reply has a sound length"},
                notes="A support reply of more than 20,000 characters is a manual.",
            ),
        ],
    )
