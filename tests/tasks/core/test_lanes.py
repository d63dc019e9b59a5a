"""Pieces that go through a model side by side: they teach what one after the other teaches, and the same bytes each time."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from tiny_families import model_of

from tasks.core.fitting import child, launcher, memory
from tasks.core.fitting.lanes import in_lanes, may_run_side_by_side, open_lanes
from tasks.core.fitting.loop import Trainer
from tasks.core.fitting.pieces import Piece
from tasks.core.fitting.plan import METRICS, FitPlan
from tasks.core.model.heads import no_head
from tasks.core.tokens.batching import even_pieces, pieces
from tasks.core.tokens.storing import map_token_rows

IDS = torch.arange(3, 23)[None]


@pytest.fixture
def calm(plan: FitPlan) -> FitPlan:
    return replace(plan, dropout=0.0, micro_tokens=0, batch_tokens=600, longest=30)


def trained(plan: FitPlan, work: Path, lanes: int, stop_after: int = 0) -> Trainer:
    work.mkdir(exist_ok=True)
    mine = replace(plan, work=str(work), micro_tokens=100, lanes=lanes)
    _, model = child.adapted(mine, "cpu")
    trainer = Trainer(mine, model, map_token_rows(Path(mine.tokens)), Accelerator(cpu=True))
    steps = iter(range(1, 10**6))
    trainer.run(lambda: next(steps) == stop_after)
    assert trainer.lanes == lanes
    return trainer


def test_lanes_learn_what_one_learns_and_go_on_to_the_same_bytes(calm: FitPlan, tmp_path: Path) -> None:
    calm = replace(calm, validation=0.3, validation_steps=3)
    alone, beside = (trained(calm, tmp_path / str(lanes), lanes) for lanes in (1, 3))
    assert alone.watch.best_loss == pytest.approx(beside.watch.best_loss, abs=1e-4)
    assert all((weight - beside.weights[name]).abs().max() < 2e-3 for name, weight in alone.weights.items())
    trained(calm, tmp_path / "stopped", 3, stop_after=5)
    again = trained(calm, tmp_path / "stopped", 3)
    assert all(torch.equal(weight, again.weights[name]) for name, weight in beside.weights.items())


def test_a_step_of_several_batches_is_parted_as_one(calm: FitPlan, tmp_path: Path) -> None:
    calm = replace(calm, batch_tokens=100, accumulation=6)
    alone, beside = (trained(calm, tmp_path / str(lanes), lanes) for lanes in (1, 2))
    step = max(alone.steps, key=len)
    rows = sorted(tuple(row) for piece in alone.pieces.of_batches(step) for row in rows_of(piece))
    assert rows == sorted(tuple(row) for piece in beside.pieces.of_batches(step) for row in rows_of(piece))
    assert len(beside.pieces.of_batches(step)) < 2 * len(step)  # where each batch would be parted in two
    assert all((weight - beside.weights[name]).abs().max() < 2e-3 for name, weight in alone.weights.items())


def rows_of(piece: Piece) -> list[list[int]]:
    return [[token for token in row if token != 2] for row in piece.ids.tolist()]


def test_gradients_do_not_vanish_in_lanes_of_half_precision(calm: FitPlan, tmp_path: Path) -> None:
    half = replace(calm, dtype="float16", quantization="none", max_steps=2)
    for lanes in (1, 2):
        trained(half, tmp_path / str(lanes), lanes)
    alone, beside = (
        json.loads((tmp_path / str(lanes) / METRICS).read_text().splitlines()[0]) for lanes in (1, 2)
    )
    assert beside["gradient_norm"] == pytest.approx(alone["gradient_norm"], rel=0.01)


@pytest.mark.parametrize(("threads", "lanes"), [(2, 2), (4, 4), (5, 4), (6, 3), (7, 3), (16, 4)])
def test_few_threads_are_left_over(
    threads: int, lanes: int, calm: FitPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert in_lanes(replace(calm, batch_tokens=4096, accumulation=1), "cpu").lanes == lanes


def test_results_come_in_order_and_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    monkeypatch.setattr(torch, "set_num_threads", told.append)

    def late(number: int) -> int:
        time.sleep(0.05 / (number + 1))
        return number

    with open_lanes(2) as side_by_side:
        assert list(side_by_side(late, range(4))) == [0, 1, 2, 3]
        with pytest.raises(ZeroDivisionError):
            list(side_by_side(lambda number: 1 // number, [1, 0]))
    assert told == [2, 2, 5]


@pytest.mark.parametrize(
    ("changes", "lanes"),
    [
        ({}, 4),
        ({"batch_tokens": 3000}, 2),
        ({"batch_tokens": 3000, "accumulation": 2}, 4),
        ({"batch_rows": 100, "longest": 30}, 2),
        ({"longest": 3000}, 1),
        ({"processes": 2}, 1),
        ({"micro_tokens": 512}, 1),
        ({"packed": True}, 1),
        ({"gradient_checkpointing": True}, 1),
        ({"quantization": "int8"}, 1),
        ({"method": "full"}, 1),
        ({"dropout": 0.1}, 1),
    ],
)
def test_a_cpu_takes_lanes_where_they_change_nothing_else(
    changes: dict[str, Any], lanes: int, calm: FitPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    calm = replace(calm, batch_tokens=4096, accumulation=1)
    assert in_lanes(replace(calm, **changes), "cpu").lanes == lanes
    assert in_lanes(replace(calm, **changes), "cuda").lanes == 1


def test_lanes_need_memory_and_are_the_first_to_go(calm: FitPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    calm = replace(calm, batch_tokens=4096, accumulation=1)
    roomy = memory.settle(calm, 0.9, "cpu", 10**10)
    tight = memory.settle(calm, 0.9, "cpu", int(0.9 * roomy.needed / memory.USABLE))
    assert (roomy.lanes, roomy.micro_tokens) == (2, 1024)
    assert (tight.lanes, tight.micro_tokens, tight.gradient_checkpointing) == (1, 1024, False)
    less = launcher.with_less_memory(roomy.of(calm))
    assert less is not None
    assert (less.lanes, less.micro_tokens) == (1, 1024)
    assert "2,048 tokens at once; it went on with 1,024" in launcher._words(roomy.of(calm), less)


def test_what_draws_or_changes_with_lengths_goes_alone() -> None:
    assert may_run_side_by_side(model_of("llama"), IDS)
    drawing = model_of("gpt2")
    drawing.transformer.h[0].mlp.dropout = torch.nn.Dropout(0.1)
    before = torch.get_rng_state()
    assert not may_run_side_by_side(drawing, IDS)
    assert torch.equal(before, torch.get_rng_state())
    stateful = model_of("llama")
    stateful.config.rope_parameters["rope_type"] = "dynamic"
    assert not may_run_side_by_side(stateful, IDS)


def test_a_thread_without_a_head_leaves_it_to_the_others() -> None:
    model = model_of("llama")
    chosen = torch.ones_like(IDS, dtype=torch.bool)
    shapes: list[Any] = []
    with no_head(model, chosen):
        other = threading.Thread(target=lambda: shapes.append(model(input_ids=IDS).logits.shape))
        other.start()
        other.join()
        assert model(input_ids=IDS).logits.shape == (20, model.config.hidden_size)
    assert shapes == [(1, 20, 97)]


@pytest.mark.parametrize("lanes", [1, 2, 3, 7])
def test_a_batch_is_parted_evenly_among_lanes(lanes: int) -> None:
    lengths = [5 + 7 * row % 60 for row in range(50)]
    parted = even_pieces(range(50), lengths, 200, lanes)
    sizes = [len(piece) * max(lengths[row] for row in piece) for piece in parted]
    assert sorted(row for piece in parted for row in piece) == list(range(50))
    assert max(sizes) <= 200
    assert len(parted) <= -(-len(pieces(range(50), lengths, 200)) // lanes) * lanes
    if lanes == 2:
        assert len(parted) % 2 == 0


def test_fewer_rows_than_lanes_are_a_piece_each() -> None:
    assert even_pieces([0, 1], [10, 20], 100, 8) == [[1], [0]]
