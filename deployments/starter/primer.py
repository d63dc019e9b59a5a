"""A primer in English and German: everyday sentences and help about things that no recipe's logs are about.

Every text is put together from words and sentences that were written for this project. A small model learns from it how
both languages are written (the endings, the order of words, a great many different sentences) and how a question, a
polite reply and a prompt look.
"""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

PARTS = Path(__file__).with_name("primer.json")
PROMPT = "### Instruction:\n{question}\n\n### Response:\n{reply}"
Language = dict[str, Any]

GERMAN = (  # p: person, o: object, v: verb of the third person, i: infinitive, d: participle
    "{P} {v} {o} {place}.",
    "{Time} {v} {p} {adverb} {o}.",
    "{P} hat {o} {time} {place} {d}.",
    "{O} hat {p} {adverb} {d}.",
    "{P} möchte {o} {i}, weil {state}.",
    "Weil {state}, kann {p} {o} nicht {i}.",
    "Wenn {p} {o} {v}, ist {n} meistens {adjective}.",
    "Es ist {adjective}, {o} {place} zu {i}.",
    "{N} ist {adjective} und {adjective}, aber {p} {v} {o} trotzdem.",
    "Können Sie {o} bitte {adverb} {i}?",
    "Wer hat {o} {place} {d}?",
    "Warum muss {p} {o} {time} {i}?",
    "{P} sagt, dass {p} {o} {adverb} {v}.",
    "{N} wurde {time} {place} {d}.",
    "Bitte {o} nicht {adverb} {i}, wenn {state}.",
    "Ich weiß nicht, ob {p} {o} {d} hat.",
)
ENGLISH = (
    "{P} {v} {o} {place}.",
    "{Time}, {p} {v} {o} {adverb}.",
    "{P} has {d} {o} {place}.",
    "{P} would like to {i} {o} because {state}.",
    "Because {state}, {p} cannot {i} {o}.",
    "When {p} {v} {o}, {o} is usually {adjective}.",
    "It is {adjective} to {i} {o} {place}.",
    "{O} is {adjective} and {adjective}, but {p} {v} {o} anyway.",
    "Could you please {i} {o} {adverb}?",
    "Who has {d} {o} {place}?",
    "Why does {p} have to {i} {o} {time}?",
    "{P} says that {p} {v} {o} {adverb}.",
    "{O} was {d} {time} {place}.",
    "Please do not {i} {o} if {state}.",
    "I do not know whether {p} has {d} {o}.",
)


def primer_texts(count: int, seed: int) -> Iterator[str]:
    """Compose `count` texts, three in five German; one in five is help shaped as a prompt with its reply."""
    parts = json.loads(PARTS.read_text(encoding="utf-8"))
    draw = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    for _ in range(count):
        name = "de" if draw.random() < 0.6 else "en"
        language, chance = parts[name], draw.random()
        question, reply = _question(language, draw), _reply(language, draw)
        if chance < 0.2:
            yield PROMPT.format(question=question, reply=reply)
        elif chance < 0.3:
            yield f"{question}\n\n{reply}\n\n{_story(language, draw)}"
        else:
            yield " ".join(_sentence(name, language, draw) for _ in range(draw.randint(4, 12)))


def _sentence(name: str, language: Language, draw: random.Random) -> str:
    if draw.random() < 0.3:
        return str(draw.choice(language["loose"]))
    patterns, noun = (GERMAN, _german_noun) if name == "de" else (ENGLISH, _english_noun)
    infinitive, third, participle = draw.choice(language["verbs"])
    spoken: dict[str, Callable[[], str]] = {
        **{
            word: partial(draw.choice, language[f"{word}s"])
            for word in ("place", "time", "adverb", "state", "adjective")
        },
        "p": partial(draw.choice, language["persons"]),
        "o": lambda: noun(language, draw, "accusative"),
        "n": lambda: noun(language, draw, "nominative"),
        "v": lambda: third,
        "i": lambda: infinitive,
        "d": lambda: participle,
    }
    return _fill(draw.choice(patterns), spoken)


def _fill(pattern: str, spoken: dict[str, Callable[[], str]]) -> str:
    """Replace every `{name}` by a fresh draw; a `{Name}` begins the sentence, so it is capitalized."""

    class Draws(dict[str, str]):
        def __missing__(self, key: str) -> str:
            words = spoken[key.lower()]()
            return words[0].upper() + words[1:] if key[0].isupper() else words

    return pattern.format_map(Draws())


def _german_noun(language: Language, draw: random.Random, case: str) -> str:
    word, gender = draw.choice(language["nouns"])
    masculine_object = gender == "m" and case == "accusative"
    definite = draw.random() < 0.6
    if definite:
        article = "den" if masculine_object else {"m": "der", "f": "die", "n": "das"}[gender]
        ending = "en" if masculine_object else "e"
    else:
        stem = draw.choice(("ein", "kein", "mein", "Ihr", "unser"))
        article = stem + ("en" if masculine_object else {"m": "", "f": "e", "n": ""}[gender])
        ending = "en" if masculine_object else {"m": "er", "f": "e", "n": "es"}[gender]
    if draw.random() < 0.5:
        return f"{article} {word}"
    return f"{article} {draw.choice(language['adjectives'])}{ending} {word}"


def _english_noun(language: Language, draw: random.Random, case: str) -> str:
    del case  # the same word in both
    article = draw.choice(("the", "the", "this", "my", "your", "our", "every"))
    adjective = f" {draw.choice(language['adjectives'])}" if draw.random() < 0.5 else ""
    return f"{article}{adjective} {draw.choice(language['nouns'])}"


def _question(language: Language, draw: random.Random) -> str:
    thing = draw.choice(language["things"])
    opener = draw.choice(language["openers"])
    trouble = draw.choice(language["troubles"]).format(thing=thing)
    return f"{opener} {trouble} {draw.choice(language['asks'])}"


def _reply(language: Language, draw: random.Random) -> str:
    thing = draw.choice(language["things"])
    advice = draw.sample(language["advice"], draw.randint(2, 4))
    steps = [
        line.format(thing=thing, number=draw.randint(2, 30), part=draw.choice(language["parts"]))
        for line in advice
    ]
    joined = " ".join(f"{word} {step}" for word, step in zip(language["order"], steps, strict=False))
    return f"{draw.choice(language['greetings'])} {joined} {draw.choice(language['closings'])}"


def _story(language: Language, draw: random.Random) -> str:
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
