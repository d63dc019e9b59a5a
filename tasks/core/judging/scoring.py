"""Scoring: the loss of a model on every held-out row, teacher-forced, on the reply alone.

Legend: ids, labels [batch, time]; a row's loss is the sum over its reply tokens, end of sequence included, in nats.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from tasks.core.progress import tell_progress
from tasks.core.store.rows import read_rows, write_rows
from tasks.core.tokens.batching import collate, ordered_batches

SCORES = "scores.jsonl"


class ScorableRow(Protocol):
    """A row of token ids whose reply begins after `prompt_length`."""

    @property
    def row_id(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def ids(self) -> list[int]: ...
    @property
    def prompt_length(self) -> int: ...


@dataclass(frozen=True)
class RowScore:
    """One row's summed loss in nats, its reply tokens, and how many of them the model would have chosen."""

    row_id: str
    group: str
    loss_sum: float
    tokens: int
    correct: int


def score_rows(model: Any, rows: Sequence[ScorableRow], batch_tokens: int, pad_id: int) -> list[RowScore]:
    """Score rows in batches of at most `batch_tokens` padded tokens; the result is in the order of `rows`."""
    import torch

    from tasks.core.model.devices import tokens_at_once

    scores: dict[int, RowScore] = {}
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in ordered_batches(
            [len(row.ids) for row in rows], tokens_at_once(model.device, batch_tokens)
        ):
            chosen = [rows[index] for index in batch]
            scores |= dict(zip(batch, _score(model, chosen, pad_id), strict=True))
            tell_progress(len(scores), len(rows), "rows scored")
    model.train(was_training)
    return [scores[index] for index in range(len(rows))]


def write_scores(path: Path, scores: Iterable[RowScore]) -> None:
    """Write scores, one a line."""
    write_rows(path, (asdict(score) for score in scores))


def read_scores(path: Path) -> list[RowScore]:
    """Read what `write_scores` wrote."""
    return [RowScore(**row) for row in read_rows(path)]


def _score(model: Any, rows: Sequence[ScorableRow], pad_id: int) -> list[RowScore]:
    import torch

    from tasks.core.model.heads import head_only_at, targets_of

    arrays = collate([row.ids for row in rows], [row.prompt_length for row in rows], pad_id)
    ids, _, labels = (torch.from_numpy(array).to(model.device) for array in arrays)
    chosen, wanted = targets_of(labels)
    with head_only_at(model, chosen):
        logits = model(input_ids=ids, use_cache=False).logits.float()
    losses = torch.zeros(chosen.shape, dtype=torch.float64, device=chosen.device)
    right = torch.zeros(chosen.shape, dtype=torch.int64, device=chosen.device)
    losses[chosen] = torch.nn.functional.cross_entropy(logits, wanted, reduction="none").double()
    right[chosen] = (logits.argmax(-1) == wanted).long()
    sums, hits, counts = losses.sum(1).tolist(), right.sum(1).tolist(), chosen.sum(1).tolist()
    return [
        RowScore(row.row_id, row.group, loss, tokens, correct)
        for row, loss, tokens, correct in zip(rows, sums, counts, hits, strict=True)
    ]
