"""Metrics of one model on the held-out rows."""

import math
from collections.abc import Sequence

from tasks.core.errors import ModelError
from tasks.core.judging.scoring import RowScore


def summarize(scores: Sequence[RowScore], what: str = "held-out") -> dict[str, float]:
    """Give loss (nats per reply token), perplexity, token accuracy, and how much they stand on.

    Raises `ModelError` when there is no token, or a loss that is not finite: a hidden NaN would win or lose unseen.
    """
    tokens = sum(score.tokens for score in scores)
    total = math.fsum(score.loss_sum for score in scores)
    if tokens == 0 or not math.isfinite(total):
        raise ModelError(
            f"The {what} loss cannot be computed: {len(scores)} rows, {tokens} tokens, sum {total}.",
            cure="Hold out more rows, or set model.dtype=float32.",
        )
    loss = total / tokens
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 700.0)),
        "token_accuracy": sum(score.correct for score in scores) / tokens,
        "rows": len(scores),
        "tokens": tokens,
    }
