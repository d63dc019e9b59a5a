"""Generated logs: as many support conversations as a measurement wants, from sentences that this project wrote.

Of every hundred rows six hold an e-mail address, three a phone number, two repeat an earlier row and one is broken; half are
HTML, two in five German; the mean is about 950 characters, as in a support forum.
"""

import json
import random
from pathlib import Path

from deployments.starter.primer import primer_texts

TEXTS, GERMAN, REQUESTERS = 4000, 0.4, 3  # rows to a requester


def write_logs(path: Path, rows: int, seed: int, first: int = 0) -> None:
    """Write `rows` conversations as JSON lines, the same for one seed; ids begin at `first`."""
    draw = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    pools = _pools(seed)
    earlier: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for number in range(first, first + rows):
            line = _line(number, pools[draw.random() < GERMAN], earlier, draw)
            file.write(line + "\n")
            if number % 50 == 0:
                earlier = [*earlier[-500:], line]


def _pools(seed: int) -> tuple[list[str], list[str]]:
    """Give sentences in English and in German."""
    pools: tuple[list[str], list[str]] = ([], [])
    for text in primer_texts(TEXTS, seed):
        if "###" not in text:
            pools[" der " in text or " ist " in text].extend(
                part for part in text.split(". ") if len(part) > 20
            )
    return pools


def _line(number: int, sentences: list[str], earlier: list[str], draw: random.Random) -> str:
    chance = draw.random()
    if chance < 0.02 and earlier:
        return json.dumps(
            {**json.loads(draw.choice(earlier)), "conversation_id": f"B{number}"}, ensure_ascii=False
        )
    question, reply = _text(sentences, draw, 7), _text(sentences, draw, 6)
    if chance > 0.94:
        question += f" You can write to person{number}@example.org about it."
    elif chance > 0.91:
        question += f" My number is +49 30 5550 {number % 10_000:04}."
    elif chance > 0.9:
        reply = ""
    row = {
        "conversation_id": f"B{number}",
        "created": f"2026-{number // 90_000 % 12 + 1:02}-{number // 3000 % 28 + 1:02}T10:{number // 60 % 60:02}:{number % 60:02}+00:00",
        "product": draw.choice(("desk", "lamp", "boat")),
        "requester": f"p{number // REQUESTERS}",
        "subject": draw.choice(sentences)[:60],
        "body": question,
        "agent": draw.choice(("Ada", "Bo", "Cy")),
        "reply": reply,
    }
    return json.dumps(row, ensure_ascii=False)


def _text(sentences: list[str], draw: random.Random, most: int) -> str:
    parts = draw.choices(sentences, k=draw.randint(2, 2 * most - 2))
    if draw.random() < 0.5:
        return "".join(f"<p>{part}.<br> </p>" for part in parts)
    return ". ".join(parts) + "."
