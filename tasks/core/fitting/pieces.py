"""Pieces: what each process takes of the batches of a step, as tensors that go through a model at once.

Legend: ids, labels [batch, time]; labels are -100 outside the reply.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator

from tasks.core.fitting.plan import FitPlan
from tasks.core.tokens.batching import IGNORED, collate, even_pieces

Rows = Any  # a datasets.Dataset with columns ids, prompt_length and weight
Parts = Sequence[Sequence[list[int]]]  # of each process, the numbers of the rows of each of its pieces


class Piece(NamedTuple):
    """Rows that go through the model at once: ids and labels [batch, time], and what each row's loss weighs [batch]."""

    ids: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


class Pieces:
    """Part batches into pieces; all processes part alike, and each takes its own."""

    def __init__(self, plan: FitPlan, rows: Rows, lengths: Sequence[int], accelerator: Accelerator) -> None:
        self.plan, self.rows, self.lengths, self.accelerator = plan, rows, lengths, accelerator
        self.lanes = 1

    def of_batches(self, batches: Sequence[list[int]]) -> list[Piece]:
        """Give this process's pieces of the batches of a step; processes take turns at whole batches, lanes part all of it."""
        if self.lanes > 1:
            return self._mine([self._part([row for batch in batches for row in batch])])
        count = self.accelerator.num_processes
        turns = (batches[index::count] for index in range(count))
        return self._mine([[rows for batch in turn for rows in self._part(batch)] for turn in turns])

    def of_rows(self, rows: Sequence[int]) -> list[Piece]:
        """Give this process's pieces of rows that all processes share."""
        count = self.accelerator.num_processes
        return self._mine([self._part(rows[index::count]) for index in range(count)])

    def piece(self, rows: list[int]) -> Piece:
        """Lay rows out as one piece, on the device."""
        drawn = self.rows[rows]
        ids, _, labels = collate(drawn["ids"], drawn["prompt_length"], self.plan.pad_id)
        weights = torch.tensor(drawn["weight"], dtype=torch.float32)
        parts = (torch.from_numpy(ids), torch.from_numpy(labels), weights)
        return Piece._make(part.to(self.accelerator.device) for part in parts)

    def _part(self, rows: Sequence[int]) -> list[list[int]]:
        return even_pieces(rows, self.lengths, self.plan.micro_tokens, self.lanes)

    def _mine(self, parts: Parts) -> list[Piece]:
        mine = parts[self.accelerator.process_index]
        return [self.piece(rows) for rows in mine] + self._idle(parts, len(mine))

    def _idle(self, parts: Parts, mine: int) -> list[Piece]:
        """Give pieces without labels that this process goes through while others have more: a shared base is gathered by all."""
        missing = max(map(len, parts)) - mine if self.plan.sharding else int(mine == 0)
        if not missing:
            return []
        first = self.piece(next(rows for part in parts for rows in part)[:1])
        return [first._replace(labels=torch.full_like(first.labels, IGNORED))] * missing
