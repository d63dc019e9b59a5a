"""Passwords that a word introduces (`password: …`), announces (`password for the account is …`), follows, or pairs with a name."""

import re

from tasks.core.privacy.finders.introductions import (
    LINK,
    ODD,
    VALUE,
    VERSION,
    Tried,
    at_each,
    is_mixed,
    value_span,
)
from tasks.core.privacy.words import NO_PASSWORDS, words_of

PASSWORD = re.compile(
    rf"(?P<word>pass(?:wor[dt]|wd|code|phrase|e)?|pwd?|kennwort|mdp|contrase[ñn]a|clave){LINK}{VALUE}",
    re.IGNORECASE,
)
FARTHER = re.compile(
    r"(?:passwor[dt]|passe|kennwort|contrase[ñn]a)(?: [^\s:=]{0,29}[^\s:=.!?;,]){1,6}?(?: ?(?P<colon>[:=])"
    rf"| (?:is|was|ist|war|lautet|est|es|era)(?=[: ])):?{VALUE}",
    re.IGNORECASE,
)
CUE = re.compile(
    r" (?:is|was|as|ist|war|als|est|es|como) (?:my|the|our|your|mein|das|unser|dein|mon|le|mi|la)"
    r"(?: (?:new|old|neues|altes|wifi|wlan))? (?:mot de )?$",
    re.IGNORECASE,
)
WORD_BEFORE = re.compile(r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`<>]{5,60})(?P=quote)$")
PAIR = re.compile(
    r"(?:zugangsdaten|logindaten|login data|credentials|identifiants|credenciales)[ :=]{1,3}[^\s/]{1,60} ?/ ?(?P<bare>[^\s\"'<>]{4,60})",
    re.IGNORECASE,
)
PHRASE = re.compile(
    r"phrase[ \t]?[:=][ \t]?(?P<bare>[a-z]{3,12}(?: [a-z]{3,12}){3,23})(?=\s*(?:[\n.,;]|$))", re.IGNORECASE
)
SENTENCE_WORDS = words_of(
    "the your you is are my not please enter required and for with der die das dein ihr und est votre"
)
ENDS = re.compile(r"[.,;:!?)\]}\"'`*]*(?:\s|$)")
# Masks, links, variables and addresses.
OTHER = re.compile(r"[*•●.xX_#-]+|https?:.*|[$%{(\[].*|[\w.+-]+@[\w-]+\.[\w.-]+", re.IGNORECASE)


def _try_password(text: str, place: int) -> Tried | None:
    match = PASSWORD.match(text, place)
    if match is None or (match["word"].lower() == "pass" and match["blank"] is not None):
        return None
    start, end = value_span(match)
    return start, end, not _is_no_password(text[start:end]) and _looks_introduced(match, text, start, end)


def _looks_introduced(match: re.Match[str], text: str, start: int, end: int) -> bool:
    """Say whether a value looks like a password: the weaker its introduction, the less it may look like a word."""
    value = text[start:end]
    if match["quoted"]:
        return match["blank"] is None or is_mixed(value) or value.isdigit()
    if (
        match["colon"]
        or match["lautet"]
        or match["colon_too"]
        or text[match.start() - 2 : match.start()] == "--"
    ):
        return is_mixed(value) or ODD.search(value) is not None or ENDS.match(text, end) is not None
    if match["blank"] is None:
        return is_mixed(value) if match["word"].lower() == "pass" else ODD.search(value) is not None
    return len(value) > 5 and is_mixed(value)


def _try_farther(text: str, place: int) -> Tried | None:
    match = FARTHER.match(text, place)
    if match is None:
        return None
    start, end = value_span(match)
    value = text[start:end]
    return start, end, len(value) > 5 and is_mixed(value) and not _is_no_password(value)


def _try_before(text: str, place: int) -> Tried | None:
    cue = CUE.search(text, max(0, place - 40), place)
    if cue is None:
        return None
    start = max(0, cue.start() - 62)
    match = WORD_BEFORE.search(text[start : cue.start()])
    if match is None:
        return None
    holds = is_mixed(match["value"]) and not _is_no_password(match["value"])
    return start + match.start("value"), start + match.end("value"), holds


def _try_pair(text: str, place: int) -> Tried | None:
    match = PAIR.match(text, place)
    return (*match.span("bare"), is_mixed(match["bare"])) if match else None


def _try_phrase(text: str, place: int) -> Tried | None:
    match = PHRASE.match(text, place)
    if match is None:
        return None
    return *match.span("bare"), not SENTENCE_WORDS.intersection(match["bare"].lower().split())


def _is_no_password(value: str) -> bool:
    lowered = value.lower().strip(".,;:!?")
    if len(value) < 3 or lowered in NO_PASSWORDS:
        return True
    return OTHER.fullmatch(value) is not None or VERSION.fullmatch(value) is not None


find_passwords = at_each(("pass", "kennwort", "contrase"), ("pw", "mdp", "clave"), _try_password)
find_farther_passwords = at_each(("passwor", "passe", "kennwort", "contrase"), (), _try_farther)
find_passwords_before = at_each(("pass", "kennwort", "contrase"), ("pw", "mdp"), _try_before)
find_pairs = at_each(
    ("zugangsdaten", "logindaten", "login data", "credentials", "identifiants", "credenciales"), (), _try_pair
)
find_phrases = at_each(("phrase",), (), _try_phrase)
