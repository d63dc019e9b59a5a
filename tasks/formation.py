"""Formation: clean shards become distinct examples, each in the training or the held-out part."""

from collections.abc import Mapping

from tasks.core.errors import DataError
from tasks.core.receipts import Examples, ValidCleanLogs
from tasks.core.store.artifacts import Draft
from tasks.core.store.ledger import Entry, account, add_counts, write_ledger
from tasks.core.store.rows import ROWS, read_rows, write_rows
from tasks.core.text.duplicates import find_repeats, fingerprint
from tasks.core.text.splitting import group_of, is_held_out
from tasks.lid import step

SHARED = ("row_id", "conversation", "created", "language", "product", "question", "reply")


@step("formation", Examples)
def form_examples(
    draft: Draft,
    shards: tuple[ValidCleanLogs, ...],
    held_out: float,
    salt: str,
    drop_duplicates: bool,
    max_quarantined: float,
) -> Examples:
    """Keep the first of equal conversations and split by requester, the same way in every run."""
    rows = [row for shard in shards for row in read_rows(shard.folder(draft.workspace) / ROWS)]
    before = add_counts(shard.counts for shard in shards)
    _insist_on_quality(before, max_quarantined)

    prints = {index: fingerprint(row["question"], row["reply"]) for index, row in enumerate(rows)}
    repeats = find_repeats([(str(index), text) for index, text in prints.items()]) if drop_duplicates else {}
    examples = [
        _example(row, prints[index], held_out, salt)
        for index, row in enumerate(rows)
        if str(index) not in repeats
    ]
    entries = [
        Entry(
            rows[int(index)]["row_id"],
            "duplicates",
            "duplicate",
            f"equals row {rows[int(first)]['row_id']}",
            {},
        )
        for index, first in repeats.items()
    ]

    write_rows(draft.folder / ROWS, examples)
    write_ledger(draft.folder, "formation", entries)
    return draft.seal(Examples, counts=account(before, len(examples), entries))


def _insist_on_quality(counts: Mapping[str, int], limit: float) -> None:
    share = counts["quarantined"] / max(counts["in"], 1)
    if share > limit:
        raise DataError(
            f"{counts['quarantined']} of {counts['in']} rows ({share:.0%}) went to quarantine; "
            f"quality.max_quarantined allows {limit:.0%}.",
            cure="See which rules they break with `freshtune show latest`, mend the logs, or raise the limit.",
        )
    if counts["kept"] == 0:
        raise DataError(
            f"None of the {counts['in']} rows was kept.", cure="See the reasons with `freshtune show latest`."
        )


def _example(row: Mapping[str, str], print_: str, held_out: float, salt: str) -> dict[str, str]:
    group = group_of(row)
    split = "held_out" if is_held_out(group, held_out, salt) else "train"
    return {**{name: row[name] for name in SHARED}, "group": group, "split": split, "fingerprint": print_}
