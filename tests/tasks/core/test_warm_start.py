"""A training that goes on from an adapter: what it is trained on, what it begins with, and who may be gone on from."""

from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from safetensors.torch import load_file, save_file

from tasks.core.errors import HardwareError, ModelError
from tasks.core.fitting import child
from tasks.core.fitting.guards import check_moved
from tasks.core.fitting.launcher import fit
from tasks.core.fitting.learned import keys_of, load_learned, save_learned
from tasks.core.fitting.loop import Trainer
from tasks.core.fitting.plan import METRICS, FitPlan
from tasks.core.fitting.replay import choose
from tasks.core.fitting.step_metrics import steps_so_far
from tasks.core.model.adapters import WEIGHTS, adapter_digest, save_adapter
from tasks.core.registry.ancestry import (
    ancestors,
    descendants,
    is_orphan,
    unlike_shape,
    why_no_parent,
)
from tasks.core.registry.client import Version
from tasks.core.settings import LoraSettings
from tasks.core.store.tombstones import NOBODY, add_tombstones
from tasks.core.tokens.storing import (
    TokenRow,
    load_token_rows,
    map_token_rows,
    pick_token_rows,
    save_token_rows,
)

SHARES = st.floats(0, 1)
IDS = st.lists(st.integers(0, 300), min_size=1, max_size=200)


def keyed(numbers: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return keys_of(str(number) for number in numbers)


@given(IDS, IDS, SHARES, st.text(max_size=5))
def test_all_that_is_new_is_in_and_of_the_rest_a_share(
    today: list[int], learned: list[int], share: float, salt: str
) -> None:
    keys, known = keyed(today), keyed(learned)
    chosen = choose(keys, known, share, salt)
    examples = set(keys.tolist())
    old = examples & set(known.tolist())
    taken, left = (set(keys[flags].tolist()) for flags in (chosen.rows, ~chosen.rows))
    assert not taken & left, "the pieces of an example go one way"
    assert examples - old <= taken
    assert (chosen.new, chosen.replayed, chosen.left_out) == (
        len(examples - old),
        len(taken & old),
        len(left),
    )
    assert chosen.new + chosen.replayed + chosen.left_out == len(examples)
    wanted = share * (chosen.new + chosen.replayed)
    assert abs(chosen.replayed - wanted) <= 1 or (chosen.replayed < wanted and not chosen.left_out)
    again = choose(keys, known, share, salt)
    assert (again.rows == chosen.rows).all()


@given(IDS, IDS, SHARES)
def test_the_order_of_rows_and_other_known_rows_decide_nothing(
    today: list[int], learned: list[int], share: float
) -> None:
    keys, known = keyed(today), keyed(learned)
    chosen = set(keys[choose(keys, known, share, "s").rows].tolist())
    turned = keys[::-1]
    more = np.concatenate([known, keyed([1000, 1001])])
    assert set(turned[choose(turned, more, share, "s").rows].tolist()) == chosen


def test_each_salt_replays_other_rows() -> None:
    keys = keyed(list(range(200)))
    taken = [choose(keys, keyed(list(range(100))), 0.3, salt).rows for salt in ("a", "b")]
    assert all(rows.sum() == 143 for rows in taken)
    assert 0 < (taken[0] & taken[1]).sum() < 143


def test_chosen_rows_are_written_as_they_were(tmp_path: Path) -> None:
    rows = [TokenRow(str(number), "g", "en", "p", [number, 2], 1) for number in range(2500)]
    flags = [number % 3 == 0 for number in range(2500)]
    save_token_rows(tmp_path / "all", rows)
    assert pick_token_rows(tmp_path / "all", flags, tmp_path / "some") == 834
    assert load_token_rows(tmp_path / "some") == rows[::3]
    save_token_rows(tmp_path / "by-hand", rows[::3])
    assert (tmp_path / "some").read_bytes() == (tmp_path / "by-hand").read_bytes()


def test_what_was_learned_adds_up_over_trainings_and_names_no_row(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    save_learned(tmp_path / "one", ["ab12/1", "ab12/2", "cd34"], None)
    assert set(load_learned(tmp_path / "one").tolist()) == set(keys_of(["ab12", "cd34"]).tolist())
    save_learned(tmp_path / "two", ["cd34", "ef56"], tmp_path / "one")
    assert set(load_learned(tmp_path / "two").tolist()) == set(keys_of(["ab12", "cd34", "ef56"]).tolist())
    assert b"cd34" not in (tmp_path / "two" / "learned.arrow").read_bytes()


def trained(plan: FitPlan, stop_after: int = 0) -> Trainer:
    """Train in this process, and leave adapter and learned rows as the trainer process does."""
    plan.work_folder.mkdir(exist_ok=True)
    _, model = child.adapted(plan, "cpu")
    trainer = Trainer(plan, model, map_token_rows(Path(plan.tokens)), Accelerator(cpu=True))
    steps = iter(range(1, 10**6))
    facts = trainer.run(lambda: next(steps) == stop_after)
    if "stopped_at" not in facts:
        save_adapter(model, Path(plan.output), plan.base_identity, trainer.first)
        earlier = Path(plan.parent) if plan.parent else None
        save_learned(Path(plan.output), trainer.learned(facts), earlier)
        trainer.after = trainer._probe()  # type: ignore[attr-defined]
    return trainer


def losses_of(plan: FitPlan) -> list[float]:
    return [one["loss"] for one in steps_so_far(plan.work_folder / METRICS)]


@pytest.fixture
def parent(plan: FitPlan, tmp_path: Path) -> FitPlan:
    parent = replace(plan, work=str(tmp_path / "parent"), output=str(tmp_path / "parent-out"), dropout=0.0)
    trained(parent)
    return parent


def going_on(plan: FitPlan, parent: FitPlan, work: Path) -> FitPlan:
    digest = adapter_digest(Path(parent.output))
    work.mkdir(exist_ok=True)
    return replace(
        plan,
        dropout=parent.dropout,
        method=parent.method,
        work=str(work),
        output=str(work / "out"),
        identity=f"on from {digest}",
        parent=parent.output,
        parent_digest=digest,
    )


@pytest.mark.parametrize("method", ["lora", "rslora", "dora"])
def test_it_begins_where_the_other_ended_to_the_bit(method: str, plan: FitPlan, tmp_path: Path) -> None:
    before = replace(
        plan, method=method, dropout=0.0, work=str(tmp_path / "a"), output=str(tmp_path / "a-out")
    )
    ended = trained(before)
    mine = going_on(plan, before, tmp_path / "b")
    later = trained(mine)
    assert {weight.dtype for weight in later.weights.values()} == {torch.float32}
    assert set(later.first) == set(ended.weights)
    assert all((weight == ended.weights[name].cpu()).all() for name, weight in later.first.items())
    assert any("magnitude" in name for name in later.first) == (method == "dora")
    assert torch.equal(later.before, ended.after)  # type: ignore[attr-defined]
    fresh, on = losses_of(before), losses_of(mine)
    assert on[0] < fresh[0] - 0.05, "the same rows, by weights that have seen them"
    assert on[-1] < on[0]


def test_killed_it_goes_on_to_the_same_bytes(plan: FitPlan, parent: FitPlan, tmp_path: Path) -> None:
    calm = going_on(plan, parent, tmp_path / "calm")
    trained(calm)
    mine = going_on(plan, parent, tmp_path / "wild")
    trained(mine, stop_after=5)
    facts = fit(mine, lambda _metrics: None)
    assert facts["resumed_from"] == 5
    assert adapter_digest(Path(mine.output)) == adapter_digest(Path(calm.output))
    assert (mine.work_folder / "learned.arrow").read_bytes() == (
        Path(calm.output) / "learned.arrow"
    ).read_bytes()


def test_a_parent_with_a_flipped_byte_is_refused(plan: FitPlan, parent: FitPlan, tmp_path: Path) -> None:
    mine = going_on(plan, parent, tmp_path / "on")
    path = Path(parent.output) / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="does not have its digest") as refused:
        fit(mine, lambda _metrics: None)
    assert not isinstance(refused.value, HardwareError)
    assert not (mine.work_folder / METRICS).exists()


def test_a_parent_of_another_shape_is_refused(plan: FitPlan, parent: FitPlan, tmp_path: Path) -> None:
    mine = going_on(plan, parent, tmp_path / "on")
    with pytest.raises(ModelError, match="weights in other shapes"):
        child.adapted(replace(mine, rank=8), "cpu")
    with pytest.raises(ModelError, match="fits its base in"):
        child.adapted(replace(mine, targets=("attention",)), "cpu")
    weights = load_file(Path(parent.output) / WEIGHTS)
    save_file(dict(list(weights.items())[1:]), Path(parent.output) / WEIGHTS)
    partly = replace(mine, parent_digest=adapter_digest(Path(parent.output)))
    with pytest.raises(ModelError, match="fits its base in"):
        child.adapted(partly, "cpu")


def test_only_rows_that_shaped_the_weights_are_learned(plan: FitPlan, tmp_path: Path) -> None:
    few = trained(replace(plan, max_steps=1, output=str(tmp_path / "few")))
    rows = {row for batch in few.steps[0] for row in batch}
    assert 0 < len(rows) < 60
    assert set(load_learned(tmp_path / "few").tolist()) == set(keys_of(map(str, rows)).tolist())

    watched = replace(plan, validation=0.3, work=str(tmp_path / "w"), output=str(tmp_path / "watched"))
    trainer = trained(watched)
    learned = set(load_learned(tmp_path / "watched").tolist())
    assert not learned & set(keys_of(map(str, trainer.watch.rows)).tolist())
    best = {row for step in trainer.steps[: trainer.watch.best_step] for batch in step for row in batch}
    assert learned == set(keys_of(map(str, best)).tolist())


def test_a_layer_that_a_warm_training_does_not_reach_is_found() -> None:
    zero, one, two = (torch.full((2,), float(value)) for value in range(3))
    before = {"a.lora_B": one, "b.lora_B": one, "c.lora_A": one}
    assert check_moved(before, {"a.lora_B": two, "b.lora_B": two, "c.lora_A": one}) == pytest.approx(2 / 3)
    with pytest.raises(ModelError, match="the layers of 1 have learned nothing"):
        check_moved(before, {"a.lora_B": two, "b.lora_B": one, "c.lora_A": two})
    with pytest.raises(ModelError, match="the layers of 1 have learned nothing"):
        check_moved(before, {"a.lora_B": two, "b.lora_B": zero, "c.lora_A": two})


def version(number: int, parent: int = 0, **tags: str) -> Version:
    mine = {"freshtune.parent": str(parent)} if parent else {}
    return Version("m", number, f"run{number}", 0.0, (), {**mine, **OURS, **tags})


OURS = {"freshtune.base_digest": "b", "freshtune.tokenizer_digest": "t", "freshtune.quantization": "nf4"}
FAMILY = [version(5, 4), version(4, 2), version(3, 1), version(2, 1), version(1)]


def numbers(versions: list[Version]) -> list[int]:
    return [one.version for one in versions]


def test_a_family_is_known_both_ways() -> None:
    five, four, three, two, one = FAMILY
    assert numbers(ancestors(FAMILY, five)) == [4, 2, 1]
    assert numbers(descendants(FAMILY, [two])) == [5, 4]
    assert numbers(descendants(FAMILY, [one, three])) == [5, 4, 2]
    assert descendants(FAMILY, [five]) == ancestors(FAMILY, one) == []
    others = [replace(one, name="other") for one in FAMILY]
    assert descendants([*FAMILY, *others], [replace(five, name="other")]) == []
    assert numbers(ancestors([five, four, one], five)) == [4]
    assert [is_orphan([five, four, one], one) for one in (five, four, one)] == [False, True, False]


def test_versions_that_are_their_own_ancestors_end_the_search() -> None:
    ring = [version(1, 2), version(2, 1)]
    assert numbers(ancestors(ring, ring[0])) == [2, 1]


def test_who_learned_from_somebody_forgotten_is_not_handed_on(tmp_path: Path) -> None:
    assert why_no_parent(FAMILY[0], FAMILY, OURS, NOBODY) == ""
    assert "stands on another base" in why_no_parent(
        FAMILY[0], FAMILY, {**OURS, "freshtune.base_digest": "c"}, NOBODY
    )
    assert why_no_parent(FAMILY[0], FAMILY[:2], OURS, NOBODY) == (
        "version 5 went on from version 2, which is not in the registry any more"
    )
    stones = add_tombstones(tmp_path, [("requester", "ann")], ["m/2"])
    told = [why_no_parent(one, FAMILY, OURS, stones) for one in FAMILY]
    assert [bool(one) for one in told] == [True, True, False, True, False]
    assert told[0] == "version 5 was trained on rows of somebody who is forgotten since"


def test_another_shape_is_told_by_its_settings() -> None:
    mine = LoraSettings(rank=8, alpha=16, targets=("q_proj", "v_proj"))
    same = mine.model_copy(update={"dropout": 0.1, "targets": ("v_proj", "q_proj")})
    assert unlike_shape(mine.in_key(), same.in_key()) == ""
    other = mine.model_copy(update={"rank": 16, "targets": ("all-linear",)})
    assert unlike_shape(mine.in_key(), other.in_key()) == (
        "lora.rank 8, not 16 and lora.targets q_proj+v_proj, not all-linear"
    )
