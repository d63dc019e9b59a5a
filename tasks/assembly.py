"""Assembly: the examples of all shards become one set, if there are enough of them and few enough were bad."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from tasks.core.errors import DataError
from tasks.core.files.parsing import NOT_UTF8, TO_UTF8
from tasks.core.receipts import ExampleShard, Receipt, ValidExamples
from tasks.core.report.wording import counted
from tasks.core.selection.signatures import Keys
from tasks.core.selection.splitting import share_that_splits
from tasks.core.selection.verdicts import Rules
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_value
from tasks.core.store.ledger import FATES, add_counts
from tasks.core.store.quarantine import count_rules
from tasks.core.store.rows import ROWS, read_table, write_rows
from tasks.lid import step

SHOWN = 3  # rules that a sentence names


@step("assembly", ValidExamples)
def assemble_examples(
    draft: Draft,
    shards: tuple[ExampleShard, ...],
    doors: tuple[Receipt, ...],
    rules: Rules,
    max_quarantined: float,
    min_examples: int,
) -> ValidExamples:
    """Insist on enough good examples, some of them held out by the `rules`, and name the shards that hold them.

    `doors` are what the rows went through before: their ledgers say why some were not kept.
    """
    counts = add_counts(shard.counts for shard in shards)
    counts |= {part: sum(shard.counts[part] for shard in shards) for part in ("train", "held_out")}

    _insist_on_quality(draft, (*doors, *shards), counts, max_quarantined)
    _insist_on_enough(counts, min_examples)
    _insist_on_split(draft, shards, counts, rules)

    write_rows(draft.folder / "shards.jsonl", (shard.model_dump(mode="json") for shard in shards))
    content = digest_value([shard.digest for shard in shards])
    return draft.seal(ValidExamples, counts=counts, shards=shards, digest=content)


def _insist_on_quality(
    draft: Draft, receipts: Sequence[Receipt], counts: Mapping[str, int], limit: float
) -> None:
    share = counts["quarantined"] / max(counts["in"], 1)
    if share > limit:
        rules = count_rules(receipts, draft.workspace, ("quarantined",))
        cure = "See the rows with `freshtune quarantine list`, mend the logs, or raise the limit."
        if next(iter(rules), "") == NOT_UTF8:
            cure = f"Convert the logs from the encoding that they were exported in: {TO_UTF8}."
        raise DataError(
            f"{counts['quarantined']} of {counts['in']} rows ({share:.0%}) went to quarantine, most often for "
            f"{_named(rules)}; quality.max_quarantined allows {limit:.0%}.",
            cure=cure,
        )
    if counts["kept"] == 0:
        rules = count_rules(receipts, draft.workspace, FATES)
        raise DataError(
            f"None of the {counts['in']} rows was kept: {_named(rules)}.",
            cure="See each row's reason with `freshtune quarantine list --all`.",
        )


def _named(rules: Mapping[str, int]) -> str:
    return ", ".join(f"{rule} ({count:,})" for rule, count in list(rules.items())[:SHOWN])


def _insist_on_enough(counts: Mapping[str, int], least: int) -> None:
    if counts["train"] < least:
        raise DataError(
            f"Only {counts['train']} training examples are left; quality.min_examples asks for {least}.",
            cure="Give more logs; below about 100 examples LoRA seldom pays, and a prompt with examples does better.",
        )


def _insist_on_split(
    draft: Draft, shards: Sequence[ExampleShard], counts: Mapping[str, int], rules: Rules
) -> None:
    if not counts["held_out"]:
        raise _nothing_held_out(_groups(draft, shards), rules)


def _groups(draft: Draft, shards: Sequence[ExampleShard]) -> Keys:
    """Give the group of every example: its requester, or its conversation where the split is by these."""
    names = [
        name
        for shard in shards
        for name in read_table(shard.folder(draft.workspace) / ROWS, ("group",))["group"].to_pylist()
    ]
    return np.array([int(name, 16) for name in names], np.uint64)


def _nothing_held_out(groups: Keys, rules: Rules) -> DataError:
    """Say of how many rows and groups none is held out, with the settings that would change it."""
    rows = counted(len(groups), "row")
    if rules.split == "time":
        day = datetime.fromtimestamp(rules.held_out_from, UTC).date()
        return DataError(
            f"No row is held out: none of {rows} is as new as format.held_out_from={day} and of a requester who "
            "did not write before.",
            cure="Set an earlier day with `--set format.held_out_from=DAY`, or `--set format.split=requester`.",
        )
    by = rules.split
    share = share_that_splits(groups, rules.held_out, rules.salt)
    cures = [f"`--set format.held_out={share}`"] if share else []
    cures += ["`--set format.split=conversation`"] if by == "requester" else []
    named = " (the column of logs.fields.requester names them)" if by == "requester" else ""
    return DataError(
        f"No row is held out: {rows} are of {counted(len(np.unique(groups)), by)}{named}, and "
        f"format.held_out={rules.held_out:g} falls on none of these.",
        cure=f"Use {' or '.join(cures)}, or give logs of more {by}s."
        if cures
        else f"Give logs of more {by}s.",
    )
