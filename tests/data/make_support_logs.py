"""Make the sample logs: `python tests/data/make_support_logs.py`.

Support conversations of four invented products in two languages, with every kind of dirt that real logs bring, planted
and counted. No person, company or address in them is real. The same Python writes the same bytes.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TALK = HERE / "support_talk"
LOGS = HERE / "support_logs"
MONTHS = ("2026-07", "2026-08", "2026-09")
CONVERSATIONS, REQUESTERS, GERMAN, SEED = 1700, 560, 0.35, 20260930
AGENTS = ("Mika", "Jona", "Alva", "Timo", "Senna")
MODELS = ("M210", "M340", "M500", "M720")
SYLLABLES = (
    "ba",
    "do",
    "fen",
    "gar",
    "hil",
    "jo",
    "ka",
    "lum",
    "mi",
    "nor",
    "pel",
    "quin",
    "ro",
    "sul",
    "tam",
    "ve",
)

Row = dict[str, Any]


def main() -> None:
    """Write the logs, and what was planted as JSON and as a table."""
    from support_dirt import KINDS  # type: ignore[import-not-found]

    draw = random.Random(SEED)
    rows = _distinct(draw)
    lines, planted = _plant(rows, KINDS, draw)
    LOGS.mkdir(exist_ok=True)
    for month in MONTHS:
        text = "".join(f"{line}\n" for one, line in lines if one == month)
        (LOGS / f"{month}.jsonl").write_bytes(text.encode("utf-8"))
    (HERE / "planted.json").write_text(
        json.dumps(planted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (HERE / "DIRT.md").write_text(_table(planted), encoding="utf-8")


def _distinct(draw: random.Random) -> list[Row]:
    """Compose conversations until there are enough whose question and reply differ."""
    phrases = json.loads((TALK / "phrases.json").read_text(encoding="utf-8"))
    products = [
        json.loads((TALK / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("notelle", "heimfunk", "paketo", "kartino")
    ]
    requesters = sorted(
        {"".join(draw.choices(SYLLABLES, k=3)) + str(draw.randint(1, 99)) for _ in range(REQUESTERS)}
    )
    rows: dict[tuple[str, str], Row] = {}
    while len(rows) < CONVERSATIONS:
        row = _conversation(products, phrases, requesters, draw)
        rows.setdefault((row["body"], row["reply"]), row)
    ordered = sorted(rows.values(), key=lambda row: str(row["created"]))
    return [{"conversation_id": f"C{20000 + number}", **row} for number, row in enumerate(ordered)]


def _conversation(products: list[Any], phrases: Any, requesters: list[str], draw: random.Random) -> Row:
    product = draw.choice(products)
    issue = draw.choice(product["issues"])
    language = "de" if draw.random() < GERMAN else "en"
    words, talk = phrases[language], issue[language]
    agent = draw.choice(AGENTS)
    slots = _slots(words, draw)
    body = [
        draw.choice(words["openers"]),
        draw.choice(talk["questions"]).format(**slots),
        draw.choice(words["moods"]),
        draw.choice(words["closers"]),
    ]
    reply = [
        draw.choice(words["greetings"]),
        talk["reply"].format(**slots),
        draw.choice(words["partings"]).format(agent=agent),
    ]
    return {
        "created": f"{draw.choice(MONTHS)}-{draw.randint(1, 28):02d}T{draw.randint(6, 21):02d}:{draw.randint(0, 59):02d}:00+00:00",
        "language": language,
        "product": product["product"],
        "requester": draw.choice(requesters),
        "subject": talk["subject"].format(**slots),
        "body": " ".join(filter(None, body)),
        "agent": agent,
        "reply": " ".join(reply),
    }


def _slots(words: Any, draw: random.Random) -> dict[str, str]:
    return {
        "day": draw.choice(words["days"]),
        "device": draw.choice(words["devices"]),
        "model": draw.choice(MODELS),
        "version": f"{draw.randint(4, 6)}.{draw.randint(0, 9)}",
        "number": str(draw.choice((3, 5, 7, 10, 14, 20, 30))),
        "code": f"E-{draw.choice((102, 217, 304, 408, 511))}",
        "amount": f"{draw.randint(4, 60)}.{draw.choice(('00', '50', '90'))} €",
        "order": f"PK{draw.randint(1000, 9999)}",
    }


def _plant(
    rows: list[Row],
    kinds: dict[str, tuple[int, str, Callable[[Row, random.Random], str]]],
    draw: random.Random,
) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Give every kind its own rows; `duplicates` and broken lines are added beside the row that they repeat."""
    chosen = draw.sample(range(len(rows)), sum(count for count, _, _ in kinds.values()))
    planted, dirt = {}, {}
    for kind, (count, expect, _) in kinds.items():
        places, chosen = chosen[:count], chosen[count:]
        dirt |= dict.fromkeys(places, kind)
        planted[kind] = {"count": count, "expect": expect}
    lines = []
    for place, row in enumerate(rows):
        month = str(row["created"])[:7]
        clean = json.dumps(row, ensure_ascii=False)
        if place not in dirt:
            lines.append((month, clean))
            continue
        _, expect, spoil = kinds[dirt[place]]
        if expect == "duplicates":
            lines.append((month, clean))
        lines.append((month, spoil(dict(row), draw)))
    return lines, planted


def _table(planted: dict[str, Any]) -> str:
    head = "# Dirt in the sample logs\n\nWritten by `make_support_logs.py`; a test compares what the flow does with it.\n\n"
    lines = [f"| {kind} | {facts['count']} | {facts['expect']} |" for kind, facts in planted.items()]
    return head + "| kind | rows | what becomes of them |\n|---|---|---|\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
