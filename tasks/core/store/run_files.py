"""Run files: what the files in a run's folder are called, which of them hold text from the logs, and how it ended."""

import json
from pathlib import Path
from typing import Any

TABLE = "quarantine.parquet"  # rows that were not kept
SETTINGS, RECEIPTS, OUTCOME = "settings.yaml", "receipts.json", "outcome.json"
REPORT, SAMPLES, REPLIES, DATA_DOCS = "report.html", "samples.json", "replies.txt", "data_docs"
OUTPUT = "output.log"  # what the run's process printed, where nobody listened: libraries may tell of a row
PRIVATE = (REPORT, SAMPLES, REPLIES, DATA_DOCS, TABLE, OUTPUT)
AT_WORK = "at-work.lock"  # held by the run's process, as long as it lives
TOLD = ("status", "reason")  # what every outcome says


def read_outcome(folder: Path) -> dict[str, Any] | None:
    """Read how a run ended; None where it has not. Raises `ValueError` when its file is damaged."""
    try:
        record = json.loads((folder / OUTCOME).read_bytes())
    except FileNotFoundError:
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in TOLD):
        raise ValueError(f"{OUTCOME} is damaged.")
    return record
