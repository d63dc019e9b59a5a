"""Microsoft Presidio's pattern recognizers as one more finder: no language model, no network.

They know the identity, tax and health numbers of many countries (kind `ID`), which our own patterns leave alone.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from inspect import isclass
from typing import Any

from tasks.core.errors import SettingsError
from tasks.core.privacy.placeholders import Finding
from tasks.core.privacy.words import words_of

# What is no number of a person's: links stay readable, and dates, places, machines and firms name nobody. It takes
# versions for IP addresses, and one in ten numbers of ten digits for a South African one.
SKIPPED = words_of(
    "URL DATE UUID MAC_ POST PLZ LICENSE_PLATE VEHICLE KFZ COMPANY ORGANI ABN ACN IP_ADDRESS ZA_"
)
KINDS = {"EMAIL_ADDRESS": "EMAIL", "CREDIT_CARD": "CARD", "IBAN_CODE": "IBAN", "CRYPTO": "SECRET"}
# Weaker patterns, such as any nine digits, count in Presidio only with words around them that a language model reads.
LOWEST_SCORE = 0.5


def find_with_presidio(text: str) -> Iterator[Finding]:
    """Find what Presidio is sure of.

    Raises:
        SettingsError: Presidio is not installed.
    """
    for recognizer in recognizers():
        for result in recognizer.analyze(text, recognizer.supported_entities) or ():
            if result.score >= LOWEST_SCORE:
                value = text[result.start : result.end]
                kind = KINDS.get(result.entity_type, "ID")
                yield Finding(result.start, result.end, kind, "".join(value.split()).casefold())


@cache
def recognizers() -> tuple[Any, ...]:
    """Make all predefined recognizers that are patterns, and keep the address recognizer from the network.

    Raises:
        SettingsError: Presidio is not installed.
    """
    try:
        tldextract: Any = import_module("tldextract")
        presidio: Any = import_module("presidio_analyzer")
    except ImportError as error:
        raise SettingsError(
            "Presidio is asked for to find personal data, and is not installed.",
            cure="Run: pip install 'freshtune[presidio]'",
        ) from error
    # with its usual settings tldextract downloads the list of public suffixes; its package brings a copy
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    classes = [one for one in vars(presidio.predefined_recognizers).values() if isclass(one)]
    made: list[Any] = [one() for one in classes if issubclass(one, presidio.PatternRecognizer)]
    return tuple(one for one in made if not _is_skipped(one.supported_entities))


def _is_skipped(entities: list[str]) -> bool:
    return any(part in entity for entity in entities for part in SKIPPED)
