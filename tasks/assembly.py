"""Assembly: the examples of all shards become one set, if there are enough of them and few enough were bad."""

from collections.abc import Mapping

from tasks.core.errors import DataError
from tasks.core.receipts import ExampleShard, ValidExamples
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_value
from tasks.core.store.ledger import add_counts
from tasks.core.store.rows import write_rows
from tasks.lid import step


@step("assembly", ValidExamples)
def assemble_examples(
    draft: Draft, shards: tuple[ExampleShard, ...], max_quarantined: float, min_examples: int
) -> ValidExamples:
    """Insist on enough good examples, and name the shards that hold them."""
    counts = add_counts(shard.counts for shard in shards)
    counts |= {part: sum(shard.counts[part] for shard in shards) for part in ("train", "held_out")}

    _insist_on_quality(counts, max_quarantined)
    _insist_on_enough(counts, min_examples)

    write_rows(draft.folder / "shards.jsonl", (shard.model_dump(mode="json") for shard in shards))
    content = digest_value([shard.digest for shard in shards])
    return draft.seal(ValidExamples, counts=counts, shards=shards, digest=content)


def _insist_on_quality(counts: Mapping[str, int], limit: float) -> None:
    share = counts["quarantined"] / max(counts["in"], 1)
    if share > limit:
        raise DataError(
            f"{counts['quarantined']} of {counts['in']} rows ({share:.0%}) went to quarantine; "
            f"quality.max_quarantined allows {limit:.0%}.",
            cure="See which rules they break with `freshtune quarantine list`, mend the logs, or raise the limit.",
        )
    if counts["kept"] == 0:
        raise DataError(
            f"None of the {counts['in']} rows was kept.", cure="See the reasons with `freshtune show latest`."
        )


def _insist_on_enough(counts: Mapping[str, int], least: int) -> None:
    if counts["train"] < least:
        raise DataError(
            f"Only {counts['train']} training examples are left; quality.min_examples asks for {least}.",
            cure="Give more logs; below about 100 examples LoRA seldom pays, and a prompt with examples does better.",
        )
    if not counts["held_out"]:
        raise DataError("No row is held out.", cure="Give logs of more requesters, or raise format.held_out.")
