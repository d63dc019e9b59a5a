"""Why a step runs, how long it takes, and what a run takes together."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import SettingsError
from tasks.core.planning.costs import ENDING, Work, add_up
from tasks.core.planning.memory_forecast import gib_of
from tasks.core.planning.rates import Rate, fit, rate_of
from tasks.core.planning.reasons import reason_of
from tasks.core.planning.story import Row, headline, rows_of
from tasks.core.receipts import Receipt
from tasks.core.store.artifacts import drafting
from tasks.core.store.making import Made, Making, keep_code, known_code, machine, past

NOW = {
    "logs": {"RawLogs": "d1"},
    "cleaning": {"redact": True, "greetings": False},
    "suite": {"SuiteText": "raw_logs"},
}


def made(inputs: dict[str, Any], **facts: Any) -> Made:
    return Made("k", {"made_from": inputs, "counts": {}}, 100, **{"code": "c1", **facts})


def why(
    *earlier: Made, libraries: dict[str, str] | None = None, modules: dict[str, Any] | None = None
) -> str:
    known = {"c1": {"tasks.core.text.greetings": "1", "tasks.cleaning": "1"}, **(modules or {})}
    return reason_of(NOW, "c2" if modules else "c1", libraries or {}, earlier, known.get).words


def test_a_setting_that_changed_is_named_with_both_values() -> None:
    then = {**NOW, "cleaning": {"redact": True, "greetings": True}}
    assert why(made(then)) == "cleaning.greetings yes → no"


def test_the_artifact_with_the_same_rows_tells_and_not_the_newest() -> None:
    other_rows = made({**NOW, "logs": {"RawLogs": "d0"}})
    same_rows = made({**NOW, "cleaning": {"redact": False, "greetings": False}})
    assert why(other_rows, same_rows) == "cleaning.redact no → yes"


def test_another_input_a_suite_and_a_step_that_never_ran_are_told() -> None:
    assert why(made({**NOW, "logs": {"RawLogs": "d0"}})) == "other logs"
    assert (
        why(made({**NOW, "suite": {"SuiteText": "raw_logs", "digest": "x"}}))
        == "the suite raw logs was changed"
    )
    assert why() == "it has not run in this workspace"


def test_code_is_told_by_the_modules_that_changed() -> None:
    now = {"c2": {"tasks.core.text.greetings": "2", "tasks.cleaning": "1"}}
    assert why(made(NOW), modules=now) == "code: text.greetings"
    assert why(made(NOW, code="forgotten"), modules=now) == "its code was changed"


def test_a_library_is_told_with_both_versions() -> None:
    assert (
        why(made(NOW, libraries={"torch": "2.12.0"}), libraries={"torch": "2.13.0"})
        == "torch 2.12.0 → 2.13.0"
    )


def test_new_rows_are_told_as_new() -> None:
    inputs = {"shard": {"LogShard": "d2", "kind": "lines"}}
    found = reason_of(inputs, "c1", {}, [made({"shard": {"LogShard": "d1", "kind": "lines"}})], {}.get)
    assert (found.kind, found.words) == ("new", "its rows are new")


def test_an_artifact_tells_how_it_was_made(tmp_path: Path) -> None:
    making = Making("c1", {"numpy": "2"}, 40.0)
    with drafting(tmp_path, "step", "key", {"x": 1}, making) as draft:
        (draft.folder / "rows").write_text("0123456789")
        draft.seal(Receipt, counts={"in": 4})
    (one,) = past(tmp_path, "step")
    assert (one.key, one.size, one.code, one.effort, one.machine) == ("key", 10, "c1", 40.0, machine())
    assert one.receipt["counts"] == {"in": 4}
    assert 0 <= one.seconds < 5
    assert not one.resumed


def test_what_an_earlier_start_began_is_no_measure_of_time(tmp_path: Path) -> None:
    with suppress(KeyError), drafting(tmp_path, "step", "key", {}) as draft:
        (draft.work / "checkpoint").write_text("half")
        raise KeyError
    with drafting(tmp_path, "step", "key", {}, Making("c", {}, 5.0)) as draft:
        draft.seal(Receipt)
    (one,) = past(tmp_path, "step")
    assert one.resumed
    assert rate_of("no-reference", [one]) is None


def test_code_is_remembered_once_and_a_damaged_memory_is_none(tmp_path: Path) -> None:
    keep_code(tmp_path, "c" * 64, {"tasks.cleaning": "1"})
    keep_code(tmp_path, "c" * 64, {"tasks.cleaning": "2"})
    assert known_code(tmp_path, "c" * 64) == {"tasks.cleaning": "1"}
    (place,) = (tmp_path / "code").iterdir()
    place.write_text("{")
    assert known_code(tmp_path, "c" * 64) is None


def test_a_rate_has_a_constant_part_where_efforts_differ_enough_to_tell() -> None:
    efforts = [100.0, 1000.0, 10000.0]
    fixed, slope = fit(efforts, [2 + 0.01 * effort for effort in efforts], 0.0)
    assert fixed == pytest.approx(2)
    assert slope == pytest.approx(0.01)
    assert fit([100.0, 120.0], [10.0, 12.0], 0.0) == (0.0, pytest.approx(0.1))
    fixed, slope = fit([100.0], [10.0], 50.0)
    assert fixed == pytest.approx(9)
    assert fixed + 100 * slope == pytest.approx(10)


def test_only_this_kind_of_machine_tells_of_its_rates() -> None:
    mine = [made({}, effort=100.0, seconds=10.0, machine=machine())] * 3
    theirs = [made({}, effort=100.0, seconds=99.0, machine="another")] * 3
    rate = rate_of("no-reference", [*theirs, *mine])
    assert rate is not None
    assert rate.seconds(200) == pytest.approx(20)
    assert rate.seen == 3
    assert rate_of("no-reference", theirs) is None


def test_the_reference_stands_in_for_what_has_not_run_here() -> None:
    rate = rate_of("adapter_training", [])
    assert rate is not None
    assert rate.elsewhere
    assert rate.error >= 0.5


def test_costs_add_up_with_what_perhaps_runs_between_the_bounds() -> None:
    rate = Rate(fixed=0, slope=1, fixed_bytes=0, slope_bytes=10, error=0.1, seen=4)
    rates = {"adapter_training": rate, "merging": rate}
    huge = add_up([Work("merging", "run", 0)], rates.get, 2)
    assert huge.unknown == ("merging",)
    cost = add_up(
        [
            Work("adapter_training", "run", 100),
            Work("merging", "perhaps", 50),
            Work("gating", "run", 1),
            Work("formation", "cached", 1),
        ],
        rates.get,
        2,
    )
    assert cost.least < 100 + ENDING < cost.seconds < 150 < cost.most
    assert cost.size == 1500
    assert cost.unknown == ("gating",)
    assert cost.seen == 4


def test_shards_go_side_by_side() -> None:
    rate = Rate(fixed=0, slope=1, fixed_bytes=0, slope_bytes=0, error=0.1, seen=1)
    alone = add_up([Work("cleaning", "run", 10)], lambda _: rate, 2)
    together = add_up([Work("cleaning", "run", 10)] * 2, lambda _: rate, 2)
    assert together.seconds == pytest.approx(alone.seconds, abs=0.1)


def test_gpus_are_known_by_name_or_by_their_memory() -> None:
    assert gib_of("H100") == gib_of("80") == gib_of("80 GiB") == 80
    with pytest.raises(SettingsError, match="No GPU is known as abacus"):
        gib_of("abacus")


def row(name: str, **fates: int) -> Row:
    return Row(name, **{"cached": 0, "run": 0, "perhaps": 0, **fates}, why=(), seconds=0.0)


def test_a_reason_that_all_parts_share_is_told_once_and_without_them() -> None:
    def step(part: str, why: str) -> dict[str, Any]:
        return {"name": "collection", "part": part, "fate": "run", "why": why, "because": ""}

    cost = add_up([], lambda _: None, 2)
    (alike,) = rows_of([step("a", "it is new"), step("b", "it is new")], cost)
    (other,) = rows_of([step("a", "it is new"), step("b", "it is gone")], cost)
    assert alike.why == ("it is new",)
    assert other.why == ("a: it is new", "b: it is gone")


def test_the_headline_says_whether_anything_is_trained() -> None:
    assert headline([row("cleaning", cached=3)], "").startswith(
        "Nothing is new: a run would take all 3 steps"
    )
    trained = [row("cleaning", cached=3), row("adapter_training", run=1)]
    assert headline(trained, "") == "1 step would run, 3 come from the store; an adapter is trained."
    perhaps = [row("cleaning", run=1), row("adapter_training", perhaps=1)]
    assert headline(perhaps, "").endswith("1 perhaps, 0 come from the store; an adapter is perhaps trained.")
    assert headline(trained, "2 rows are new.") == "A run would train nothing: 2 rows are new."
