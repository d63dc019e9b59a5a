"""The third door: the examples of a shard against the contract on training examples."""

import json

import pyarrow as pa
import pyarrow.compute as pc

from expectations.suites import build_suite
from tasks.core.intake.canonical import NAMES
from tasks.core.intake.outcomes import weight_of
from tasks.core.quality.checking import check_rows
from tasks.core.quality.sorting import quarantine
from tasks.core.receipts import ExampleShard, SuiteText, ValidCleanLogs, Verdicts
from tasks.core.selection.hashing import HASHES
from tasks.core.selection.verdicts import VERDICTS
from tasks.core.settings import Outcome
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_file, digest_value
from tasks.core.store.ledger import account, write_ledger
from tasks.core.store.rows import ROWS, read_table, write_table
from tasks.core.text.traits import example_traits
from tasks.lid import step

COLUMNS = ("row_id", "line", *NAMES, "question", "reply", "history", "solved", "weight", "split", "group")


@step("example_validation", ExampleShard, libraries=("great-expectations", "pyarrow"))
def validate_examples(
    draft: Draft,
    logs: ValidCleanLogs,
    verdicts: Verdicts,
    outcome: Outcome,
    suite: SuiteText,
    on_failure: str,
) -> ExampleShard:
    """Check the examples of a shard, among them that no requester and no twin is on both sides of the split."""
    rows = _examples(draft, logs, verdicts, outcome)

    result = check_rows(example_traits(rows), build_suite(suite.text))
    kept, entries = quarantine(rows, result, on_failure)
    held_out = int(pc.sum(pc.equal(kept["split"], "held_out")).as_py() or 0)

    write_table(draft.folder / ROWS, kept.select(COLUMNS))
    write_ledger(draft.folder, "example_validation", entries)
    (draft.folder / "quality.json").write_text(json.dumps(result.to_json(), indent=1))
    counts = account(verdicts.counts, len(kept), entries)
    counts |= {"train": len(kept) - held_out, "held_out": held_out}
    content = digest_value([digest_file(draft.folder / ROWS), counts])  # what the door said changes no token
    return draft.seal(ExampleShard, counts=counts, digest=content)


def _examples(draft: Draft, logs: ValidCleanLogs, verdicts: Verdicts, outcome: Outcome) -> pa.Table:
    """Put the rows that formation kept together with its verdicts, their fingerprints and their weights."""
    folder = logs.folder(draft.workspace)
    judged = read_table(verdicts.folder(draft.workspace) / VERDICTS)
    rows = read_table(folder / ROWS).take(judged["place"])
    prints = read_table(folder / HASHES, ("fingerprint",)).take(judged["place"])["fingerprint"]
    for name in judged.column_names[1:]:
        rows = rows.append_column(name, judged[name])
    rows = rows.append_column("fingerprint", pc.cast(prints, pa.string()))
    endings = rows.select(["solved", "votes"]).to_pylist()
    return rows.append_column("weight", pa.array([weight_of(one, outcome) for one in endings], pa.float32()))
