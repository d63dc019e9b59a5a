"""The training loop: one for one process or many, on a CPU or GPUs, resumable to the same weights.

Legend: ids, labels [batch, time]; labels are -100 outside the reply. The loss of a step is the mean over all
labelled tokens of its batches on all processes, each token weighing what its row weighs. In what pieces a batch goes
through the model changes time and memory, and else no more than rounding and what dropout draws.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator

from tasks.core.fitting.checkpoints import (
    Checkpoint,
    latest_checkpoint,
    restore,
    save_checkpoint,
    set_weights,
)
from tasks.core.fitting.energy import EnergyMeter, energy_counters
from tasks.core.fitting.guards import (
    check_difference,
    check_gradient,
    check_labels,
    check_loss,
    check_moved,
    check_vocabulary,
)
from tasks.core.fitting.lanes import Lanes, may_run_side_by_side, open_lanes
from tasks.core.fitting.pieces import Piece, Pieces, Rows
from tasks.core.fitting.plan import METRICS, FitPlan
from tasks.core.fitting.schedule import learning_rate, plan_steps
from tasks.core.fitting.step_metrics import add_step, cut_after
from tasks.core.fitting.watching import Watch, part_rows
from tasks.core.model.adapters import trainable_parameters
from tasks.core.model.devices import compute_dtype, peak_memory
from tasks.core.model.heads import is_bare, labelled_loss, targets_of
from tasks.core.model.methods import PISSA

HALF_SCALE = 2**12
"""What losses are multiplied by on the way back where a model computes in float16: its gradients would vanish."""


class Trainer:
    """Train an adapter on token rows by a plan."""

    def __init__(self, plan: FitPlan, model: Any, rows: Rows, accelerator: Accelerator) -> None:
        self.plan, self.rows, self.accelerator = plan, rows, accelerator
        self.model = model
        self.weights = trainable_parameters(model)
        if accelerator.num_processes > 1:  # unlike GPUs may draw unlike numbers from one seed
            for weight in model.parameters() if plan.method == PISSA else self.weights.values():
                dist.broadcast(weight.detach(), 0)
        self.first = {name: weight.detach().clone().cpu() for name, weight in self.weights.items()}
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=plan.learning_rate, weight_decay=plan.weight_decay, foreach=False
        )
        self.lengths = [len(ids) for ids in rows["ids"]]
        self.labelled = [
            length - prompt for length, prompt in zip(self.lengths, rows["prompt_length"], strict=True)
        ]
        self.row_weights = list(rows["weight"])
        taught, watched = part_rows(rows["group"], plan.validation, plan.seed)
        self.watch = Watch(watched, plan.validation_steps, plan.patience)
        steps = plan_steps(
            [self.lengths[row] for row in taught],
            batch_tokens=plan.batch_tokens,
            batch_rows=plan.batch_rows,
            batches_a_step=plan.accumulation * accelerator.num_processes,
            seed=plan.seed,
            epochs=plan.epochs,
            max_steps=plan.max_steps,
        )
        self.steps = [[[taught[number] for number in batch] for batch in step] for step in steps]
        compute = compute_dtype(plan.dtype, str(accelerator.device))
        self.scale = HALF_SCALE if compute == torch.float16 else 1
        check_vocabulary(max(map(max, rows["ids"])), model.get_input_embeddings().num_embeddings)
        self.pieces = Pieces(plan, rows, self.lengths, accelerator)
        few = self.pieces.piece(taught[:1]).ids[:, :8]
        self.has_bare_head = is_bare(model.eval(), few)
        alone = plan.lanes == 1 or not self.has_bare_head or not may_run_side_by_side(model, few)
        self.lanes = self.pieces.lanes = 1 if alone else plan.lanes
        self.map: Lanes[Piece, Any] = map
        self.before = self._probe()
        gpus = accelerator.num_processes if accelerator.device.type == "cuda" else 0
        self.energy = EnergyMeter(energy_counters(gpus) if accelerator.is_main_process else [])

    def run(self, stop_asked: Callable[[], bool]) -> dict[str, Any]:
        """Train to the end, or to a checkpoint when a stop is asked; give the facts of the training.

        Raises `ModelError` when the loss or the gradient is not finite, the gradient is zero, or the adapter inert.
        """
        with open_lanes(self.lanes) as self.map:
            return self._run(stop_asked)

    def _run(self, stop_asked: Callable[[], bool]) -> dict[str, Any]:
        began, notes = self._resume()
        taken = began
        self.model.train()
        saved = time.monotonic()
        for step in range(began, len(self.steps)):
            if self.watch.is_over:
                break
            metrics = self._step(step)
            if self.watch.is_due(step + 1, len(self.steps)):
                metrics["validation_loss"] = self._look(step + 1)
            self._note(step, metrics | self.energy.look())
            taken = step + 1
            stopping = self._agreed(stop_asked())
            late = self._agreed(time.monotonic() - saved > self.plan.checkpoint_minutes * 60)
            if stopping or late or (step + 1) % self.plan.checkpoint_steps == 0:
                self._save(step + 1)
                saved = time.monotonic()
            if stopping:
                return {"stopped_at": step + 1}
        if self.watch.best:
            set_weights(self.weights, self.watch.best)
        moved = check_moved(self.first, self._tensors(self.weights))
        check_difference(float((self._probe() - self.before).abs().max()))
        return {
            "steps": taken,
            "resumed_from": began,
            "notes": notes,
            "moved": moved,
            "trainable": sum(weight.numel() for weight in self.weights.values()),
            "processes": self.accelerator.num_processes,
            "micro_tokens": self.plan.micro_tokens,
            "lanes": self.lanes,
            "watched": {
                "rows": len(self.watch.rows),
                "ended_early": self.watch.is_over,
                **self.watch.state(),
            },
        }

    def learned(self, facts: Mapping[str, Any]) -> list[str]:
        """Name the rows that the weights of a training with these facts have learned from: those of the steps up to the best."""
        taken = self.watch.best_step if self.watch.best else facts["steps"]
        numbers = {row for step in self.steps[:taken] for batch in step for row in batch}
        return [str(name) for name in self.rows[sorted(numbers)]["row_id"]]

    def _step(self, step: int) -> dict[str, float]:
        started = time.monotonic()
        torch.manual_seed(
            self.plan.seed * 1_000_003 + step
        )  # dropout depends on the step, not on how often we started
        rate = learning_rate(
            step, len(self.steps), self.plan.learning_rate, self.plan.warmup, self.plan.schedule
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rows = [row for batch in self.steps[step] for row in batch]
        check_labels(sum(self.labelled[row] for row in rows), len(rows))
        loss = self._backward(self.pieces.of_batches(self.steps[step]), self._weight(rows))
        check_loss(loss, step + 1)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights.values(), self.plan.clip, foreach=False))
        check_gradient(norm, step + 1)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        seconds, tokens = time.monotonic() - started, sum(self.lengths[row] for row in rows)
        return {
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "tokens": tokens,
            "seconds": seconds,
            "tokens_per_second": tokens / seconds,
            "memory_mib": peak_memory(self.accelerator.device) / 2**20,
        }

    def _weight(self, rows: Sequence[int]) -> float:
        """Add up the weights of the labelled tokens of rows: their number where every row weighs 1."""
        return float(sum(self.labelled[row] * self.row_weights[row] for row in rows))

    def _backward(self, share: list[Piece], weight: float) -> float:
        """Accumulate the gradient of the weighted mean loss; give that loss, the same on all processes."""
        total = torch.zeros((), device=self.accelerator.device)
        for loss in self._side_by_side(share, weight) if self.lanes > 1 else self._in_turn(share, weight):
            total += loss
        for tensor in self.weights.values():
            if self.scale != 1:
                tensor.grad /= self.scale
            if self.accelerator.num_processes > 1:  # each has a part of one sum
                dist.all_reduce(tensor.grad)
        return float(self.accelerator.reduce(total, "sum"))

    def _in_turn(self, share: list[Piece], weight: float) -> Iterator[torch.Tensor]:
        """Give the loss of each piece, and add up its gradients where they are: there is one set of them in memory."""
        for piece in share:
            loss = self._loss(piece) / weight
            self.accelerator.backward(loss * self.scale)
            yield loss.detach()

    def _side_by_side(self, share: list[Piece], weight: float) -> Iterator[torch.Tensor]:
        """Do the same in lanes, each with gradients of its own, which are added up in the order of the pieces."""
        weights = list(self.weights.values())

        def slopes(piece: Piece) -> tuple[torch.Tensor, tuple[torch.Tensor | None, ...]]:
            loss = self._loss(piece) / weight
            return loss.detach(), torch.autograd.grad(loss * self.scale, weights, allow_unused=True)

        for loss, each in self.map(slopes, share):
            for tensor, slope in zip(weights, each, strict=True):
                if slope is not None:
                    tensor.grad = slope if tensor.grad is None else tensor.grad.add_(slope)
            yield loss

    def _loss(self, piece: Piece) -> torch.Tensor:
        """Sum the weighted losses of a piece; the output head is asked only where labels are."""
        chosen, wanted = targets_of(piece.labels)
        weights = piece.weights[:, None].expand(chosen.shape)[chosen]
        return labelled_loss(self.model, piece.ids, chosen, wanted, weights, bare=self.has_bare_head)

    @torch.no_grad()
    def _plain_loss(self, piece: Piece) -> torch.Tensor:
        return self._loss(piece._replace(weights=torch.ones_like(piece.weights)))

    def _look(self, step: int) -> float:
        """Score the watched rows, in nats per labelled token, and note it."""
        total = torch.zeros((), device=self.accelerator.device)
        self.model.eval()
        with torch.no_grad():
            for loss in self.map(self._plain_loss, self.pieces.of_rows(self.watch.rows)):
                total += loss
        self.model.train()
        tokens = sum(self.labelled[row] for row in self.watch.rows)
        loss = float(self.accelerator.reduce(total, "sum")) / tokens
        check_loss(loss, step)
        self.watch.take(step, loss, self._tensors(self.weights))
        return loss

    def _probe(self) -> torch.Tensor:
        """Give the logits of the training's first row, or of its beginning, by which the model is known again."""
        ids = self.pieces.piece(self.steps[0][0][:1]).ids[:, :64]
        self.model.eval()
        with torch.no_grad():
            return self.model(input_ids=ids, use_cache=False).logits

    def _agreed(self, wish: bool) -> bool:
        """Say whether any process wishes it, so that all do the same."""
        if self.accelerator.num_processes == 1:
            return wish
        return bool(
            self.accelerator.reduce(torch.tensor(int(wish), device=self.accelerator.device), "sum") > 0
        )

    def _resume(self) -> tuple[int, list[str]]:
        with self.accelerator.main_process_first():  # what is damaged is set aside once
            checkpoint, notes = latest_checkpoint(self.plan.work_folder, self.plan.identity)
        began = checkpoint.step if checkpoint else 0
        if checkpoint:
            restore(self.weights, self.optimizer, checkpoint)
            self.watch.restore(checkpoint.watched, checkpoint.best)
        if self.accelerator.is_main_process:
            cut_after(self.plan.work_folder / METRICS, began)
        self.accelerator.wait_for_everyone()
        return began, notes

    def _save(self, step: int) -> None:
        if self.accelerator.is_main_process:
            optimizer = {
                f"{name}/{part}": value
                for name, weight in self.weights.items()
                for part, value in self.optimizer.state[weight].items()
            }
            weights, moments = self._tensors(self.weights), self._tensors(optimizer)
            checkpoint = Checkpoint(step, weights, moments, self.watch.best, self.watch.state())
            save_checkpoint(self.plan.work_folder, self.plan.identity, checkpoint)
        self.accelerator.wait_for_everyone()

    def _note(self, step: int, metrics: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            at = {"step": step + 1, "steps": len(self.steps), "time": time.time()}
            add_step(self.plan.work_folder / METRICS, {**at, **metrics})

    @staticmethod
    def _tensors(values: dict[str, Any]) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone().cpu().contiguous() for name, value in values.items()}
