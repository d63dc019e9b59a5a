"""Choosing across rows: repeats are found by hashes, the split is a function of the row alone, no twin straddles it."""

import random
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tasks.core.selection.earlier import new_to
from tasks.core.selection.hashing import hash_rows, hashes_of
from tasks.core.selection.signatures import fingerprints, sketch, words_of
from tasks.core.selection.splitting import day, held_out_by_time, held_out_groups, rank_in_group
from tasks.core.selection.verdicts import Fate, Judged, Rules, judge

WORDS = [f"word{number}" for number in range(3000)]
RULES = Rules(
    duplicates="near",
    near_threshold=0.85,
    split="requester",
    held_out=0.3,
    held_out_from=0,
    salt="s",
    max_per_requester=0,
)


def text(draw: random.Random, count: int = 60) -> str:
    return " ".join(draw.choices(WORDS, k=count))


def row(number: int, question: str, reply: str = "", **changes: str) -> dict[str, Any]:
    base = {
        "row_id": f"r{number}",
        "conversation": f"c{number}",
        "requester": f"p{number}",
        "created": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}+00:00",
        "question": question,
        "reply": reply or f"the answer number {number} is to wait",
        "history": [],
    }
    return {**base, **changes}


def judged(rows: list[dict[str, Any]], cuts: int = 1, **changes: Any) -> Judged:
    size = -(-len(rows) // cuts)
    tables = [hash_rows(rows[start : start + size]) for start in range(0, len(rows), size)]
    return judge(*hashes_of(tables), RULES.model_copy(update=changes))


def jaccard(one: dict[str, Any], other: dict[str, Any]) -> float:
    sets = []
    for conversation in (one, other):
        words = f"{conversation['question']}\x1f{conversation['reply']}".casefold().split()
        sets.append(set(zip(words, words[1:], words[2:], strict=False)))
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def edited(words: str, draw: random.Random, changes: int) -> str:
    parts = words.split()
    for place in draw.sample(range(len(parts)), changes):
        parts[place] = draw.choice(WORDS)
    return " ".join(parts)


@pytest.fixture(scope="module")
def crowd() -> list[dict[str, Any]]:
    """Give 450 rows of 100 requesters and more, a third of them an edited copy of another one's."""
    draw = random.Random(3)
    rows = [row(number, text(draw), text(draw, 40)) for number in range(300)]
    for number in range(300, 450):
        source = draw.choice(rows[:300])
        copy = edited(source["question"], draw, draw.randint(0, 6))
        rows.append(row(number, copy, source["reply"], requester=f"p{draw.randint(0, 99)}"))
    return rows


def test_no_two_kept_rows_are_nearly_equal_and_no_twin_straddles_the_split(
    crowd: list[dict[str, Any]],
) -> None:
    for duplicates in ("near", "exact", "off"):
        verdict = judged(crowd, duplicates=duplicates)
        kept = np.flatnonzero(verdict.fates == Fate.KEPT)
        for one, other in combinations(kept.tolist(), 2):
            close = crowd[one]["reply"] == crowd[other]["reply"] and jaccard(crowd[one], crowd[other]) >= 0.93
            straddling = verdict.held_out[one] != verdict.held_out[other]
            assert not (close and (duplicates == "near" or straddling))
        assert not verdict.twin_on_other_side.any()


def test_an_edited_copy_is_set_aside_for_the_first_and_names_it(crowd: list[dict[str, Any]]) -> None:
    verdict = judged(crowd)
    near = np.flatnonzero(verdict.fates == Fate.NEAR_DUPLICATE)
    assert len(near) > 30
    assert all(jaccard(crowd[one], crowd[verdict.of[one]]) > 0.7 for one in near.tolist())
    assert all(crowd[verdict.of[one]]["created"] < crowd[one]["created"] for one in near.tolist())


def test_rows_that_share_only_half_their_words_are_both_kept() -> None:
    draw = random.Random(5)
    first = text(draw)
    other = " ".join([*first.split()[:30], *text(draw, 30).split()])
    assert judged([row(1, first), row(2, other)]).fates.tolist() == [Fate.KEPT, Fate.KEPT]


def test_the_verdicts_do_not_depend_on_files_or_their_order(crowd: list[dict[str, Any]]) -> None:
    whole = dict(zip([one["row_id"] for one in crowd], judged(crowd).fates.tolist(), strict=True))
    shuffled = random.Random(9).sample(crowd, len(crowd))
    again = dict(
        zip([one["row_id"] for one in shuffled], judged(shuffled, cuts=7).fates.tolist(), strict=True)
    )
    assert again == whole


def test_newer_rows_change_no_verdict_on_older_ones(crowd: list[dict[str, Any]]) -> None:
    before, after = judged(crowd[:350]), judged(crowd)
    assert after.fates[:350].tolist() == before.fates.tolist()
    assert after.held_out[:350].tolist() == before.held_out.tolist()


def test_every_requester_is_on_one_side_and_the_share_is_about_right() -> None:
    groups = np.random.default_rng(0).integers(0, 2**63, 20_000).astype(np.uint64)
    held = held_out_groups(np.r_[groups, groups], 0.1, "salt")
    assert held[:20_000].tolist() == held[20_000:].tolist()
    assert 0.09 < held.mean() < 0.11
    other = held_out_groups(groups, 0.1, "other salt")
    assert 0.15 < (held[:20_000] != other).mean() < 0.21  # two independent tenths differ in 18 %
    assert not held_out_groups(groups, 0.0, "salt").any()
    wider = held_out_groups(groups, 0.2, "salt")
    assert wider[held[:20_000]].all()  # a larger share holds out more requesters, and none less


def test_the_newest_are_held_out_and_who_asked_before_straddles() -> None:
    groups = np.array([1, 1, 2, 3, 4], dtype=np.uint64)
    since = day("2026-03-01")
    times = np.array([since - 5, since + 5, since, since - 1, np.iinfo(np.int64).max])
    held, straddles = held_out_by_time(groups, times, since)
    assert held.tolist() == [False, False, True, False, False]
    assert straddles.tolist() == [False, True, False, False, False]


def test_a_row_without_a_time_is_on_no_side_of_a_split_by_time() -> None:
    draw = random.Random(1)
    rows = [row(1, text(draw)), row(2, text(draw), created=""), row(3, text(draw), created="25:61")]
    fates = judged(rows, split="time", held_out_from=day("2026-06-01")).fates
    assert fates.tolist() == [Fate.KEPT, Fate.NO_TIME_TO_SPLIT_BY, Fate.NO_TIME_TO_SPLIT_BY]


def test_a_requester_is_known_by_name_without_regard_to_case_and_blanks() -> None:
    same = hash_rows(
        [row(1, "a", requester=" User 1 "), row(2, "b", requester="user 1"), row(3, "c", requester="")]
    )
    keys = same["requester"].to_pylist()
    assert keys[0] == keys[1] != keys[2] == same["conversation"].to_pylist()[2]


def test_one_requester_gives_no_more_than_the_limit_to_training() -> None:
    draw = random.Random(1)
    rows = [row(number, text(draw), requester="loud") for number in range(30)]
    verdict = judged(rows, max_per_requester=4, held_out=0.0)
    assert (verdict.fates == Fate.KEPT).sum() == 4
    assert set(np.flatnonzero(verdict.fates == Fate.KEPT).tolist()) == {0, 1, 2, 3}


def test_equal_texts_are_equal_without_regard_to_case_and_blanks() -> None:
    texts = [["How  do I\nstart?", "So."], ["how do i start?", "so."], ["a b", "c"], ["a", "b c"]]
    prints = fingerprints(words_of(texts)).tolist()
    assert prints[0] == prints[1]
    assert len(set(prints[1:])) == 3


def test_a_conversation_is_hashed_the_same_whatever_stands_beside_it() -> None:
    draw = random.Random(2)
    texts = [[text(draw, draw.randint(0, 9)) for _ in range(draw.randint(2, 4))] for _ in range(50)]
    words = words_of(texts)
    signatures, bands = sketch(words)
    for place, alone in enumerate(texts):
        own = words_of([alone])
        signature, band = sketch(own)
        assert fingerprints(own)[0] == fingerprints(words)[place]
        assert signature[0].tolist() == signatures[place].tolist()
        assert [int(one[0]) for one in band] == [int(one[place]) for one in bands]


def test_rank_counts_within_a_group_in_the_order_given() -> None:
    assert rank_in_group(np.array([7, 8, 7, 7, 8], dtype=np.uint64)).tolist() == [0, 0, 1, 2, 1]


def test_short_and_empty_texts_can_be_sketched() -> None:
    signatures, bands = sketch(words_of([["", ""], ["one", "two"], ["one", "two"]]))
    assert signatures.shape == (3, 128)
    assert len(bands) == 21
    assert signatures[1].tolist() == signatures[2].tolist() != signatures[0].tolist()


def test_no_rows_give_no_verdicts() -> None:
    assert len(judge(*hashes_of([]), RULES).fates) == 0
    assert len(judge(*hashes_of([hash_rows([])]), RULES).fates) == 0


def test_a_row_is_new_to_today_when_neither_it_nor_its_like_is_there() -> None:
    draw = random.Random(9)
    said = [text(draw) for _ in range(40)]
    today = [row(number, words) for number, words in enumerate(said)]
    rows = [
        row(3, text(draw)),  # the id of a row of today
        row(100, said[5], reply=today[5]["reply"]),
        row(101, edited(said[6], draw, 1), reply=today[6]["reply"]),
        row(102, text(draw)),
        row(103, edited(said[7], draw, 20), reply=today[7]["reply"]),
    ]
    for cut in (1, 20, 40):  # shards
        tables = [hash_rows(today[start : start + cut]) for start in range(0, len(today), cut)]
        assert new_to(tables, hash_rows(rows)).tolist() == [False, False, False, True, True]
    assert new_to([], hash_rows(rows)).all()
