"""Run files: what the files in a run's folder are called, and which of them hold text from the logs."""

from tasks.core.store.quarantine import TABLE

SETTINGS, RECEIPTS, OUTCOME = "settings.yaml", "receipts.json", "outcome.json"
REPORT, SAMPLES, REPLIES, DATA_DOCS = "report.html", "samples.json", "replies.txt", "data_docs"
PRIVATE = (REPORT, SAMPLES, REPLIES, DATA_DOCS, TABLE)
