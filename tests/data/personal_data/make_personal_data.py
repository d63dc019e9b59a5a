"""Make the labelled personal data: `python tests/data/personal_data/make_personal_data.py`.

Each line of `sentences/*.txt` becomes a row of `personal_data.jsonl`: `{{KIND|value}}` labels a span and `«slot»` is drawn
from `invented_values.py`. Nobody and nothing in them is real: reserved domains and networks, numbers kept for fiction,
test cards, made-up accounts. The same Python writes the same bytes.
"""

import json
import random
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SENTENCES = HERE / "sentences"
SEED = 20260930
LINE = re.compile(r"(?P<language>[a-z]{2})(?: \[(?P<names>[^\]]+)\])?\t(?P<text>.+)")
SLOT = re.compile("«([^»]+)»")
LABEL = re.compile(r"\{\{(?P<kind>[A-Z]+)\|(?P<value>.*?)\}\}(?!\})", re.DOTALL)
VENDORS = (
    "sk_test_",
    "rk_test_",
    "sk-",
    "ghp_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
)


def main() -> None:
    """Write the rows, those of one kind of sentence together."""
    rows = [row for path in sorted(SENTENCES.glob("*.txt")) for row in _rows(path)]
    text = "".join(f"{_hide_from_scanners(json.dumps(row, ensure_ascii=False))}\n" for row in rows)
    (HERE / "personal_data.jsonl").write_text(text, encoding="utf-8")


def _rows(path: Path) -> list[dict[str, Any]]:
    draw = random.Random(f"{SEED} {path.stem}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_row(f"{path.stem}-{number:03}", line, draw) for number, line in enumerate(lines, 1)]


def _row(name: str, line: str, draw: random.Random) -> dict[str, Any]:
    from invented_values import draw_value  # type: ignore[import-not-found]

    match = LINE.fullmatch(line)
    if match is None:
        message = f"{name} is no line of sentences: language, perhaps [names], a tab, the sentence"
        raise SystemExit(message)
    marked = match["text"].replace(r"\n", "\n").replace(r"\u200b", "\u200b")
    text, spans = _labelled(SLOT.sub(lambda slot: str(draw_value(slot[1], draw)), marked))
    return {
        "row": name,
        "section": "obfuscated" if name.startswith("obfuscated") else "main",
        "language": match["language"],
        "names": match["names"].split("; ") if match["names"] else [],
        "text": text,
        "spans": spans,
    }


def _labelled(marked: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Take the labels out of a sentence and give their spans in what is left."""
    text, spans, read = "", [], 0
    for label in LABEL.finditer(marked):
        text += marked[read : label.start()]
        spans.append((len(text), len(text) + len(label["value"]), label["kind"]))
        text += label["value"]
        read = label.end()
    return text + marked[read:], spans


def _hide_from_scanners(line: str) -> str:
    """Write the beginnings of keys as JSON escapes: code hosts refuse files with what looks like a real key."""
    for vendor in VENDORS:
        line = line.replace(vendor, f"\\u{ord(vendor[0]):04x}{vendor[1:]}")
    return line


if __name__ == "__main__":
    main()
