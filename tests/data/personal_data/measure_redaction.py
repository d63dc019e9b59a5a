"""Measure redaction on the labelled rows: `PYTHONPATH=. python tests/data/personal_data/measure_redaction.py`.

Writes `tasks/core/privacy/redaction_scores.json`, which reports quote and a test compares with a fresh measurement.
"""

import json
from pathlib import Path

from tasks.core.privacy.redaction import find_personal_data
from tasks.core.privacy.redaction_scoring import score

ROWS = Path(__file__).with_name("personal_data.jsonl")
SCORES = Path(__file__).parents[3] / "tasks" / "core" / "privacy" / "redaction_scores.json"
SECTIONS = ("main", "obfuscated")


def main() -> None:
    """Write how much is found, by section and kind, and how many rows the main section has."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    by_section = {
        section: [(row["text"], row["names"], row["spans"]) for row in rows if row["section"] == section]
        for section in SECTIONS
    }
    scores = {section: score(some, find_personal_data) for section, some in by_section.items()}
    text = json.dumps({"rows": len(by_section["main"]), **scores}, indent=1)
    SCORES.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
