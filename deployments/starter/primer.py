"""A primer in English and German: everyday help about things that no recipe's logs are about.

Every text is put together from parts that were written for this project, so that a small model sees questions,
instructions and polite replies in both languages, and the shape of a prompt.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

PARTS = Path(__file__).with_name("primer.json")
PROMPT = "### Instruction:\n{question}\n\n### Response:\n{reply}"


def primer_texts(count: int, seed: int) -> Iterator[str]:
    """Compose `count` texts, two in five German, one in three shaped as a prompt with its reply."""
    parts = json.loads(PARTS.read_text(encoding="utf-8"))
    draw = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    for _ in range(count):
        language = parts["de"] if draw.random() < 0.4 else parts["en"]
        question, reply = _question(language, draw), _reply(language, draw)
        if draw.random() < 0.33:
            yield PROMPT.format(question=question, reply=reply)
        else:
            yield f"{question}\n\n{reply}\n\n{_story(language, draw)}"


def _question(language: dict[str, list[str]], draw: random.Random) -> str:
    thing = draw.choice(language["things"])
    opener = draw.choice(language["openers"])
    trouble = draw.choice(language["troubles"]).format(thing=thing)
    return f"{opener} {trouble} {draw.choice(language['asks'])}"


def _reply(language: dict[str, list[str]], draw: random.Random) -> str:
    thing = draw.choice(language["things"])
    advice = draw.sample(language["advice"], draw.randint(2, 4))
    steps = [
        line.format(thing=thing, number=draw.randint(2, 30), part=draw.choice(language["parts"]))
        for line in advice
    ]
    joined = " ".join(f"{word} {step}" for word, step in zip(language["order"], steps, strict=False))
    return f"{draw.choice(language['greetings'])} {joined} {draw.choice(language['closings'])}"


def _story(language: dict[str, list[str]], draw: random.Random) -> str:
    lines = draw.sample(language["story"], draw.randint(3, 6))
    return " ".join(
        line.format(
            thing=draw.choice(language["things"]),
            part=draw.choice(language["parts"]),
            number=draw.randint(2, 90),
            day=draw.choice(language["days"]),
        )
        for line in lines
    )
