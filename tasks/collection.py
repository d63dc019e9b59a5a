"""Collection: log files become shards of rows with canonical columns."""

from tasks.core.receipts import LogFile, RawLogs
from tasks.core.settings import Fields
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_file
from tasks.core.store.ledger import Entry, account, write_ledger
from tasks.core.store.rows import ROWS, write_rows
from tasks.core.text.finding import find_files
from tasks.core.text.reading import read_log
from tasks.lid import step


def find_logs(paths: tuple[str, ...]) -> list[LogFile]:
    """Find the log files that paths and globs name, each content once, in the order of their names.

    Raises `DataError` when there is no path, or one that matches nothing.
    """
    found: dict[str, LogFile] = {}
    for path in find_files(paths):
        file = LogFile(path=path, digest=digest_file(path))
        found.setdefault(file.digest, file)
    return sorted(found.values(), key=lambda file: (file.path.name, file.digest))


@step("collection", RawLogs)
def collect_logs(draft: Draft, file: LogFile, fields: Fields, file_format: str) -> RawLogs:
    """Read one log file into rows with canonical columns; a line that cannot be read goes to quarantine."""
    rows, rejected = read_log(file.path, _columns(fields), file_format)

    entries = [Entry(bad.row_id, "quarantined", bad.rule, bad.reason, {"raw": bad.raw}) for bad in rejected]
    counts = account({"in": len(rows) + len(rejected)}, len(rows), entries)

    write_rows(draft.folder / ROWS, rows)
    write_ledger(draft.folder, "collection", entries)
    return draft.seal(RawLogs, counts=counts)


def _columns(fields: Fields) -> dict[str, tuple[str, ...]]:
    return {
        "conversation": (fields.id,),
        "created": (fields.created,),
        "language": (fields.language,),
        "product": (fields.product,),
        "requester": (fields.requester,),
        "agent": (fields.agent,),
        "question": fields.question,
        "reply": (fields.reply,),
    }
