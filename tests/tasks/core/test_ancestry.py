"""What receipts say of where a run's parts came from, and of what data."""

from pathlib import Path

import pyarrow as pa

from tasks.core.receipts import (
    Adapter,
    Decision,
    ExampleShard,
    Promotion,
    RawLogs,
    Receipt,
    Threads,
    ValidExamples,
)
from tasks.core.report.ancestry import gather_files, gather_lineage, gather_spread, spread_of
from tasks.core.store.rows import ROWS, write_table

PACKAGES = {"torch": "2.13.0"}


def raw(name: str, **made_from: object) -> RawLogs:
    return RawLogs(path=name, digest=name, counts={"in": 10, "kept": 9}, made_from=made_from)


def test_shards_are_named_by_their_logs_or_where_there_are_none_by_themselves() -> None:
    threads = Threads(path="t", digest="t", parts=(raw("threaded"),))
    told = gather_lineage([raw("a", shard={"LogShard": "s1", "kind": "lines"}), threads], PACKAGES, "code")

    assert told["shards"] == [
        {"digest": "s1", "in": 10, "kept": 9},
        {"digest": "threaded", "in": 10, "kept": 9},
    ]
    assert (told["packages"], told["code"], told["digests"]) == (PACKAGES, "code", {})
    assert not {"beside", "replaced"} & set(told)


def test_the_version_that_was_beaten_and_the_one_that_lost_the_alias_are_told() -> None:
    decision = Decision(path="d", digest="d", outcome="promote", reason="r", gains={}, rival=3)
    promotion = Promotion(path="p", digest="p", moved=True, version=4, replaced=3, reason="r")
    adapter = Adapter(path="a", digest="ad", adapter_digest="ad", base_digest="b")
    receipts: list[Receipt] = [raw("a"), adapter, decision, promotion]
    kept = promotion.model_copy(update={"moved": False})

    assert gather_lineage(receipts, {}, "")["beside"] == 3
    assert gather_lineage(receipts, {}, "")["replaced"] == 3
    assert gather_lineage(receipts, {}, "")["digests"] == {"adapter": "ad"}
    assert "replaced" not in gather_lineage([*receipts[:3], kept], {}, "")
    assert gather_lineage([adapter], {}, "") == {}


def test_files_are_known_by_the_digests_of_their_parts() -> None:
    assert gather_files({"s1": ("x.jsonl", 7)}) == {"s1": {"name": "x.jsonl", "line": 7}}


def test_examples_are_counted_by_language_and_product_over_all_shards(tmp_path: Path) -> None:
    shards = []
    for name, products in (("a", ["hub"] * 4), ("b", ["hub", "hub", None])):
        (tmp_path / name).mkdir()
        columns = {"language": ["de"] * len(products), "product": products, "reply": ["x"] * len(products)}
        write_table(tmp_path / name / ROWS, pa.table(columns))
        shards.append(ExampleShard(path=name, digest=name))
    examples = ValidExamples(path="e", digest="e", shards=tuple(shards))

    assert gather_spread([examples], tmp_path) == {"product": {"hub": 6, "not known": 1}}
    assert gather_spread([], tmp_path) == {}


def test_rare_values_are_counted_together_since_they_may_be_one_persons() -> None:
    counts = {
        "en": 50,
        "de": 40,
        "x" * 99: 5,
        "fr": 4,
        "": 3,
        **{f"l{number}": 20 - number for number in range(9)},
    }
    spread = spread_of(counts)

    assert sum(spread.values()) == sum(counts.values())
    assert list(spread)[:2] == ["en", "de"]
    assert list(spread)[-2:] == ["others", "not known"]
    assert len(spread) == 10
    assert spread["not known"] == 3
    assert max(map(len, spread_of({"x" * 99: 5}))) == 40
    assert "fr" not in spread_of({"en": 9, "fr": 4})
