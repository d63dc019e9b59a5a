"""Sample weights: a row that weighs two counts as if it were there twice, one that weighs one changes nothing."""

import pytest
import torch

from tasks.core.model.heads import summed_loss, targets_of
from tasks.core.tokens.batching import IGNORED


@pytest.fixture
def rows() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 6, 11), torch.randint(0, 11, (3, 6))
    labels[:, :2] = IGNORED
    labels[2, 4:] = IGNORED
    return logits, labels


def mean_loss(logits: torch.Tensor, labels: torch.Tensor, weights: list[float]) -> float:
    chosen, wanted = targets_of(labels)
    each = torch.tensor(weights)[:, None].expand(chosen.shape)[chosen]
    return float(summed_loss(logits[chosen], wanted, each) / each.sum())


def test_rows_that_weigh_one_give_the_mean_over_their_tokens(rows: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, labels = rows
    plain = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, 11), labels[:, 1:].reshape(-1), ignore_index=IGNORED
    )
    assert mean_loss(logits, labels, [1.0, 1.0, 1.0]) == pytest.approx(float(plain), abs=1e-6)


def test_a_row_that_weighs_two_counts_twice(rows: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, labels = rows
    twice = mean_loss(logits[[0, 1, 2, 2]], labels[[0, 1, 2, 2]], [1.0] * 4)
    assert mean_loss(logits, labels, [1.0, 1.0, 2.0]) == pytest.approx(twice, abs=1e-6)
    assert mean_loss(logits, labels, [1.0, 1.0, 1.0]) != pytest.approx(twice, abs=1e-3)
