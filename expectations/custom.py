"""Expectations that Great Expectations has none for, on traits: a flag or a share that was derived from the text.

Importing this module registers them; a suite that is built without it would lose them with one line in the log.
"""

from great_expectations import expectations as gxe


class ExpectNoMixedPromptStyles(gxe.ExpectColumnValuesToBeInSet):
    """Expect texts that do not speak in roles of their own, such as `Human:` or `### Response:`."""

    column: str = "mixed_styles_left"
    value_set: list[bool] = [False]  # noqa: RUF012 - a field, copied for every expectation
    description: str = "No text may mix prompt styles."


class ExpectNoPersonalDataLeft(gxe.ExpectColumnValuesToBeInSet):
    """Expect that redaction, asked again, finds nothing more."""

    column: str = "personal_data_left"
    value_set: list[bool] = [False]  # noqa: RUF012
    description: str = "No personal data may be left."


class ExpectNoTemplateMarkersInside(gxe.ExpectColumnValuesToBeInSet):
    """Expect content without a string that a template or a tokenizer would read as structure."""

    column: str = "markers_inside"
    value_set: list[bool] = [False]  # noqa: RUF012
    description: str = "No marker of a prompt template may stand inside content."


class ExpectReplyNotTruncated(gxe.ExpectColumnValuesToBeInSet):
    """Expect rows that hold their reply to its end."""

    column: str = "reply_truncated"
    value_set: list[bool] = [False]  # noqa: RUF012
    description: str = "No reply may be cut."


class ExpectFullLabelCoverage(gxe.ExpectColumnValuesToBeBetween):
    """Expect rows whose loss sees every token of the reply, end of sequence included."""

    column: str = "label_coverage"
    min_value: float = 1.0
    max_value: float = 1.0
    description: str = "The loss must see every token of the reply."


TYPES_OF_OWN: tuple[str, ...] = tuple(
    one.expectation_type
    for one in (
        ExpectNoMixedPromptStyles,
        ExpectNoPersonalDataLeft,
        ExpectNoTemplateMarkersInside,
        ExpectReplyNotTruncated,
        ExpectFullLabelCoverage,
    )
)
