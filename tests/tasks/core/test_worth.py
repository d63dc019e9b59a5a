"""Whether a training is worth it: what is new by ids, drift beyond chance, the budget of a workspace, one sentence."""

import json
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tasks.core.receipts import ExampleShard, Formation, Standing, ValidExamples, Verdicts
from tasks.core.settings import WorthSettings
from tasks.core.store.artifacts import drafting
from tasks.core.store.datasets import find_examples
from tasks.core.store.ledger import Entry, write_ledger
from tasks.core.store.rows import ROWS, write_table
from tasks.core.worth.arrivals import News, compare_datasets, read_dataset
from tasks.core.worth.drift import Drift, chance_of, divergence, drift_of
from tasks.core.worth.past_trainings import count_trainings
from tasks.core.worth.rules import weigh

COUNTS = some.dictionaries(some.sampled_from("abcdef"), some.integers(1, 500), min_size=1)


@given(COUNTS, COUNTS)
def test_divergence_is_symmetric_and_between_equal_and_disjoint(
    ours: dict[str, int], theirs: dict[str, int]
) -> None:
    bits = divergence(ours, theirs)
    assert 0 <= bits <= 1 + 1e-12
    assert math.isclose(bits, divergence(theirs, ours), abs_tol=1e-12)
    assert divergence(ours, {value: 3 * count for value, count in ours.items()}) == pytest.approx(0, abs=1e-9)


def test_divergence_is_the_formula_to_the_digit() -> None:
    assert divergence({"en": 5}, {"de": 7}) == 1.0
    # H(3/4, 1/4) - (H(1) + H(1/2, 1/2)) / 2 = 0.8112781 - 0.5
    assert divergence({"en": 4}, {"en": 8, "de": 8}) == pytest.approx(0.3112781, abs=1e-7)


def test_the_test_for_chance_is_that_of_the_textbooks() -> None:
    from scipy.stats import chi2_contingency  # type: ignore[import-untyped]

    known = chi2_contingency([[30, 10, 20], [50, 50, 90]], correction=False, lambda_="log-likelihood")
    ours = chance_of({"en": 30, "de": 10, "fr": 20}, {"en": 50, "de": 50, "fr": 90})
    assert ours == pytest.approx(known.pvalue, rel=1e-9)


def test_chance_alone_seldom_seems_to_be_drift() -> None:
    draw = random.Random(3)
    values = ["en"] * 60 + ["de"] * 25 + ["fr"] * 10 + [f"rare-{number}" for number in range(5)]

    def sample(size: int) -> Counter[str]:
        return Counter(draw.choices(values, k=size))

    found = [drift_of(sample(60), sample(900)) for _ in range(600)]
    assert sum(one.beyond_chance for one in found) / len(found) < 0.03
    assert max(one.bits for one in found) > 0.02, "a bar on the bits alone would be met by chance"
    assert drift_of(Counter({"de": 40, "en": 20}), sample(900)).beyond_chance


def test_few_rows_and_no_rows_are_no_drift() -> None:
    assert not drift_of({"de": 3}, {"en": 900}).beyond_chance
    assert drift_of({}, {"en": 900}) == drift_of({"en": 900}, {}) == Drift(0.0, 1.0)
    assert chance_of({"en": 50}, {"en": 900}) == 1.0


def row(name: str, split: str = "train", language: str = "en", length: int = 100) -> dict[str, Any]:
    texts = {"question": "q" * (length // 2), "reply": "r" * (length - length // 2)}
    return {"row_id": name, "split": split, "language": language, "product": "hub", **texts}


def stored(
    workspace: Path, key: str, rows: list[dict[str, Any]], repeats: tuple[str, ...] = ()
) -> ValidExamples:
    """Put a dataset of one shard into a store, with the ledger of its formation."""
    with drafting(workspace, "formation", key, {}) as draft:
        (draft.folder / "0000").mkdir()
        entries = [
            Entry(name, 1, "duplicates", "near_duplicate", "nearly equals another") for name in repeats
        ]
        entries += [Entry(f"short of {key}", 2, "filtered", "short_reply", "too short")]
        write_ledger(draft.folder / "0000", "formation", entries)
        verdicts = draft.part(Verdicts, "0000", {"kept": len(rows)}, {})
        draft.seal(Formation, parts=(verdicts,))
    with drafting(workspace, "example_validation", key, {"verdicts": verdicts.in_key()}) as draft:
        write_table(draft.folder / ROWS, pa.Table.from_pylist(rows))
        shard = draft.seal(ExampleShard)
    with drafting(workspace, "assembly", key, {}) as draft:
        (draft.folder / "shards").write_text(key)
        return draft.seal(ValidExamples, shards=(shard,))


def news(workspace: Path, today: ValidExamples, then: ValidExamples) -> News:
    return compare_datasets(read_dataset(workspace, today), read_dataset(workspace, then))


def test_rows_that_the_champion_was_not_trained_on_are_new(tmp_path: Path) -> None:
    old = [row(f"old-{number}") for number in range(8)]
    then = stored(tmp_path, "then", [*old, row("judged", "held_out")])
    today = stored(
        tmp_path, "today", [*old[2:], row("a"), row("b"), row("judged", "held_out"), row("c", "held_out")]
    )
    found = news(tmp_path, today, then)
    assert (found.taught, found.new, found.gone, found.share) == (8, 2, 2, 0.25)
    assert (found.came, found.repeats) == (3, 0)
    assert news(tmp_path, then, then) == replace(found, taught=8, new=0, gone=0, came=0, drift=found.drift)


def test_what_only_repeats_is_counted_also_where_it_is_the_same_bytes(tmp_path: Path) -> None:
    old = [row(f"old-{number}") for number in range(4)]
    then = stored(tmp_path, "then", old, repeats=("known-twin",))
    twins = ("known-twin", "new-twin", "old-0", "old-0")
    found = news(tmp_path, stored(tmp_path, "today", [*old, row("a")], repeats=twins), then)
    assert (found.new, found.came, found.repeats) == (1, 4, 3)


def test_repeats_are_not_known_where_the_ledger_is_gone(tmp_path: Path) -> None:
    then = stored(tmp_path, "then", [row("old")])
    today = stored(tmp_path, "today", [row("old"), row("a")], repeats=("twin",))
    for path in (tmp_path / "store" / "formation" / "then" / "0000").glob("ledger*"):
        path.unlink()
    found = news(tmp_path, today, then)
    assert (found.new, found.came, found.repeats) == (1, 1, None)


def test_each_trait_drifts_by_itself(tmp_path: Path) -> None:
    old = [row(f"old-{number}", language="en" if number % 2 else "de") for number in range(60)]
    then = stored(tmp_path, "then", old)
    longer = [row(f"new-{n}", language="en" if n % 2 else "de", length=900) for n in range(60)]
    found = news(tmp_path, stored(tmp_path, "today", [*old, *longer]), then).drift
    assert found["length"].bits == 1.0
    assert found["length"].beyond_chance
    assert [found[trait].bits for trait in ("language", "product")] == [0, 0]


def test_a_dataset_with_a_shard_that_is_gone_is_not_at_hand(tmp_path: Path) -> None:
    examples = stored(tmp_path, "then", [row("old")])
    assert find_examples(tmp_path, examples.digest) == examples
    assert find_examples(tmp_path, "0" * 64) is None
    (examples.shards[0].folder(tmp_path) / ROWS).unlink()
    assert find_examples(tmp_path, examples.digest) is None


DAY = 86400.0
NOON = 1_793_966_400.0


def recorded(workspace: Path, name: str, days_ago: float, training: str, dataset: str = "d") -> None:
    import time

    folder = workspace / "runs" / name
    folder.mkdir(parents=True)
    started = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime(NOON - days_ago * DAY))
    receipts = [{"kind": "ValidExamples", "path": "store/assembly/x", "digest": dataset}]
    if training:
        receipts.append({"kind": "Adapter", "path": training, "digest": "a"})
    (folder / "outcome.json").write_text(json.dumps({"started": started}))
    (folder / "receipts.json").write_text(json.dumps(receipts))


def test_a_training_counts_once_where_it_was_first_had(tmp_path: Path) -> None:
    recorded(tmp_path, "1", 9, "store/adapter_training/old")
    recorded(tmp_path, "2", 1, "store/adapter_training/old")  # from the store
    recorded(tmp_path, "3", 3, "store/adapter_training/new")
    recorded(tmp_path, "4", 2, "store/adapter_training/new")
    recorded(tmp_path, "5", 1, "store/champion_fetching/rival")
    recorded(tmp_path, "6", 1, "", "skipped")
    recorded(tmp_path, "7", 1, "store/adapter_training/mine", "today")
    (tmp_path / "runs" / "8-killed").mkdir()
    (tmp_path / "runs" / "9-torn").mkdir()
    (tmp_path / "runs" / "9-torn" / "outcome.json").write_text('{"started": ')
    assert count_trainings(tmp_path, NOON - 7 * DAY, "today") == 1
    assert count_trainings(tmp_path, NOON - 7 * DAY, "other") == 2
    assert count_trainings(tmp_path, NOON - 10 * DAY, "today") == 2
    assert count_trainings(tmp_path / "empty", 0, "today") == 0


FEW = News(taught=1479, new=12, gone=0, came=20, repeats=8, drift={"language": Drift(0.31, 0.0001)})
CHANCE = replace(FEW, drift={"language": Drift(0.31, 0.2)})
CHAMPION = Standing(version=3, dataset="d", at_hand=True)
TOLD = "12 of 1,479 training rows (0.8 %) are new since version 3, 40.0 % of the 20 rows that came since repeat others"


def worded(news: News | None, standing: dict[str, Any], **worth: Any) -> str:
    opinion = weigh(news, CHAMPION.model_copy(update=standing), WorthSettings(**worth))
    assert opinion.reason.startswith("Train, because " if opinion.train else "Skip, because ")
    return opinion.reason


def test_without_anything_to_compare_with_it_is_trained() -> None:
    assert worded(None, {"version": 0}, min_new_rows=100) == "Train, because there is no champion yet."
    gone = worded(None, {"at_hand": False}, min_new_rows=100)
    assert gone.startswith("Train, because the data of the champion, version 3, is not in this workspace")
    other = worded(FEW, {"other_base": True}, min_new_rows=100)
    assert other == "Train, because the champion, version 3, stands on another base."


def test_enough_new_rows_are_trained_on_and_fewer_are_not() -> None:
    assert worded(FEW, {}, min_new_rows=12) == f"Train, because {TOLD}."
    assert worded(FEW, {}, min_new_rows=13) == f"Skip, because {TOLD}; worth.min_new_rows asks for 13."
    assert worded(FEW, {}, min_new_share=0.008) == f"Train, because {TOLD}."
    assert worded(FEW, {}, min_new_rows=100, min_new_share=0.05) == (
        f"Skip, because {TOLD}; worth.min_new_rows asks for 100 and worth.min_new_share asks for 5.0 %."
    )
    assert worded(FEW, {}, max_trainings=2) == f"Train, because no least number of new rows is set; {TOLD}."


def test_what_was_tried_since_is_what_is_compared_with() -> None:
    told = TOLD.replace("since version 3", "since version 5 was tried")
    tried = {"tried": 5}
    assert worded(FEW, tried, min_new_rows=13) == f"Skip, because {told}; worth.min_new_rows asks for 13."
    drifted = worded(FEW, tried, min_new_rows=13, min_drift=0.3)
    assert drifted.startswith("Train, because the new rows differ from those of version 5 in language")
    old = worded(FEW, {**tried, "overdue": True}, min_new_rows=13, max_days=30)
    assert old.startswith("Train, because version 5 was made more than 30 days ago")


def test_rows_that_are_gone_are_told() -> None:
    none = News(taught=90, new=0, gone=1)
    assert worded(none, {}, min_new_rows=1) == (
        "Skip, because none of 90 training rows is new since version 3, 1 of its rows is gone; worth.min_new_rows asks for 1."
    )


def test_an_old_champion_makes_up_for_rows() -> None:
    words = {"min_new_rows": 100, "max_days": 30}
    assert worded(FEW, {}, **words).startswith("Skip")
    assert worded(FEW, {"overdue": True}, **words) == (
        f"Train, because version 3 was made more than 30 days ago; {TOLD}."
    )


def test_a_drift_makes_up_for_rows_only_beyond_chance() -> None:
    assert worded(FEW, {}, min_new_rows=100).startswith("Skip")
    assert worded(FEW, {}, min_new_rows=100, min_drift=0.31).startswith("Skip")
    assert worded(CHANCE, {}, min_new_rows=100, min_drift=0.1).startswith("Skip")
    assert worded(FEW, {}, min_new_rows=100, min_drift=0.1) == (
        "Train, because the new rows differ from those of the champion in language (0.31 bits), more than the 0.1 of "
        f"worth.min_drift; {TOLD}."
    )


def test_the_budget_is_above_everything() -> None:
    for standing in ({}, {"version": 0}, {"other_base": True}, {"overdue": True}):
        news = FEW if standing == {} else None
        said = worded(news, {**standing, "spent": 2}, max_trainings=2, max_days=30)
        assert said.startswith(
            "Skip, because 2 trainings have ended within 7 days, and worth.max_trainings allows 2"
        )
        assert (TOLD in said) == (news is not None)


def test_nothing_is_asked_by_default_nor_by_what_only_makes_up() -> None:
    assert not WorthSettings().asks
    assert not WorthSettings(max_days=30, min_drift=0.2).asks
    assert all(
        WorthSettings(**one).asks
        for one in ({"min_new_rows": 1}, {"min_new_share": 0.1}, {"max_trainings": 1})
    )
